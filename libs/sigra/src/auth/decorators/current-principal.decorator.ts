import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Principal } from '../../common/principal.js';
import { requestOf } from '../http-exchange.js';

/** The `Principal` of the request; undefined where `@OptionalAuth()` let an anonymous one pass. */
export const CurrentPrincipal = createParamDecorator(
  (_data: unknown, context: ExecutionContext): Principal | undefined => requestOf(context).sigra,
);
