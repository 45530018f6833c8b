import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { CallContext } from '../audit/audit-event.js';
import { HttpOrigin, requestOf } from '../auth/http-exchange.js';

/** On whose behalf a handler calls a service, and from where: for the audit trail, and as a bound to what it may grant. */
export const Caller = createParamDecorator((_data: unknown, context: ExecutionContext): CallContext => {
  const request = requestOf(context);
  const { ipAddress, userAgent } = new HttpOrigin(request);
  return { principal: request.sigra, ipAddress, userAgent };
});
