import { createParamDecorator, type ExecutionContext, type PipeTransform, type Type } from '@nestjs/common';
import { requestOf } from '../http-exchange.js';

/** The host's user who makes the request, or one property of it: `@CurrentUser()`, `@CurrentUser('email')`. */
// The type is spelled out because the inferred one names a type that Nest 11 does not have.
export const CurrentUser: (...propertyOrPipes: (string | PipeTransform | Type<PipeTransform>)[]) => ParameterDecorator =
  createParamDecorator((property: string | undefined, context: ExecutionContext): unknown => {
    const user = requestOf(context).sigra?.user as Readonly<Record<string, unknown>> | undefined;
    return property === undefined ? user : user?.[property];
  });
