import type { IncomingMessage } from 'node:http';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Session, SessionData } from 'express-session';

export interface Notice {
  readonly kind: 'done' | 'failed';
  readonly text: string;
}

/** The data of a browser session. Sessions are rows of a table, so they never contain a raw token. */
declare module 'express-session' {
  interface SessionData {
    /** The user who is signed in. */
    userId: string;
    /** Shown once, on the next page. */
    notice: Notice;
  }
}

export type BrowserSession = Session & Partial<SessionData>;

/** A request after the session middleware. On Fastify, `raw` is Node's own request, which has the session. */
export interface RequestWithSession {
  session?: BrowserSession;
  raw?: IncomingMessage & { session?: BrowserSession };
}

/** Holds the session of a request. Sign-in replaces the session object, so `current` reads it again. */
export class SessionHolder {
  private readonly request: { session?: BrowserSession };

  constructor(request: RequestWithSession) {
    this.request = request.raw ?? request;
  }

  get current(): BrowserSession {
    if (!this.request.session) throw new Error('The session middleware did not run for this request.');
    return this.request.session;
  }
}

/** The `SessionHolder` of the request, under both adapters. */
export const CurrentSession = createParamDecorator(
  (_data: unknown, context: ExecutionContext) => new SessionHolder(context.switchToHttp().getRequest()),
);
