import type { IncomingMessage } from 'node:http';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Session, SessionData } from 'express-session';
import './session-data.js';

export type BrowserSession = Session & Partial<SessionData>;

/** A request that the session middleware has seen. Fastify keeps Node's own request, which has the session, in `raw`. */
export interface RequestWithSession {
  session?: BrowserSession;
  raw?: IncomingMessage & { session?: BrowserSession };
}

/** Holds the session of a request, which changes its identity when somebody signs in. */
export class SessionHolder {
  private readonly request: { session?: BrowserSession };

  constructor(request: RequestWithSession) {
    this.request = request.raw ?? request;
  }

  get current(): BrowserSession {
    if (!this.request.session) throw new Error('The session middleware has not seen this request.');
    return this.request.session;
  }
}

/** The request's browser session, under both adapters. */
export const CurrentSession = createParamDecorator(
  (_data: unknown, context: ExecutionContext) => new SessionHolder(context.switchToHttp().getRequest()),
);
