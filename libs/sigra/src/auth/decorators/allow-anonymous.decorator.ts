import { type CustomDecorator, SetMetadata } from '@nestjs/common';
import { ROUTE_ACCESS, type RouteAccess } from './route-metadata.js';

/**
 * Opens a handler, or all of a controller's, to everybody: no credential is read. On a handler it also lifts the
 * controller's scopes; beside scopes at the same place it has no effect.
 */
export const AllowAnonymous = (): CustomDecorator => SetMetadata(ROUTE_ACCESS, 'anonymous' satisfies RouteAccess);
