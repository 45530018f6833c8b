import { type CustomDecorator, SetMetadata } from '@nestjs/common';
import { ROUTE_ACCESS, type RouteAccess } from './route-metadata.js';

/**
 * Lets requests without a credential pass, without a principal. A credential that is there must be good: a bad one is
 * refused as everywhere.
 */
export const OptionalAuth = (): CustomDecorator => SetMetadata(ROUTE_ACCESS, 'optional' satisfies RouteAccess);
