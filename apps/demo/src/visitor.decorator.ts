import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

/** Where a request comes from, as audit events and the token service want to know it. */
export interface Visitor {
  readonly ipAddress: string | undefined;
  readonly userAgent: string | undefined;
}

interface VisitorRequest {
  readonly ip?: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

export const CurrentVisitor = createParamDecorator((_data: unknown, context: ExecutionContext): Visitor => {
  const { ip, headers } = context.switchToHttp().getRequest<VisitorRequest>();
  return { ipAddress: ip, userAgent: headers['user-agent'] };
});
