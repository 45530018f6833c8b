import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { requestOf } from '../http-exchange.js';

/** The host's user who makes the request, or one property of it: `@CurrentUser()`, `@CurrentUser('email')`. */
export const CurrentUser = createParamDecorator((property: string | undefined, context: ExecutionContext): unknown => {
  const user = requestOf(context).sigra?.user as Readonly<Record<string, unknown>> | undefined;
  return property === undefined ? user : user?.[property];
});
