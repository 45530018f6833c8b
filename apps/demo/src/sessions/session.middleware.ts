import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  Injectable,
  Logger,
  type NestMiddleware,
  type OnApplicationShutdown,
  type OnModuleInit,
  ServiceUnavailableException,
} from '@nestjs/common';
import connectPgSimple from 'connect-pg-simple';
import type { RequestHandler } from 'express';
import session from 'express-session';
import { SigraError, translateDatabaseError } from 'nestjs-sigra';
import pg from 'pg';
import { DataSource } from 'typeorm';
import type { HttpReply } from '../http-reply.js';

export const SESSION_COOKIE = 'sigra_demo';
const SEVEN_DAYS_MS = 7 * 24 * 60 * 60 * 1000;
/** Sessions have their own small pool, so that many page views leave enough connections for the API. */
const MAX_CONNECTIONS = 4;

const PgStore = connectPgSimple(session);

/** `express-session`, with its rows in PostgreSQL. It works on Node's own request, so it serves Fastify too. */
@Injectable()
export class SessionMiddleware implements NestMiddleware, OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger(SessionMiddleware.name);
  private readonly pool: pg.Pool;
  private readonly store: InstanceType<typeof PgStore>;
  private handle: RequestHandler | undefined;

  constructor(private readonly dataSource: DataSource) {
    const { url } = dataSource.options as { url: string };
    this.pool = new pg.Pool({
      connectionString: url,
      max: MAX_CONNECTIONS,
      connectionTimeoutMillis: 2000,
      // A connection that falls silent must not keep a page waiting.
      query_timeout: 2000,
    });
    // The pool replaces a broken idle connection. Without a listener, its error would end the process.
    this.pool.on('error', (error) => this.logger.warn(`A connection was lost: ${error.message}`));
    this.store = new PgStore({
      pool: this.pool,
      tableName: 'demo_browser_sessions',
      // A session ends seven days after sign-in, whether it is used or not, so that a page view writes nothing.
      disableTouch: true,
      errorLog: (...words: unknown[]) => this.logger.warn(words.map(String).join(' ')),
    });
  }

  async onModuleInit(): Promise<void> {
    const [row] = await this.dataSource.query<{ secret: string }[]>('SELECT secret FROM demo_session_secret');
    if (!row) throw new Error('demo_session_secret is empty; its migration inserts the secret');
    this.handle = session({
      store: this.store,
      name: SESSION_COOKIE,
      secret: row.secret,
      resave: false,
      saveUninitialized: false,
      cookie: { path: '/', httpOnly: true, sameSite: 'lax', secure: 'auto', maxAge: SEVEN_DAYS_MS },
    });
  }

  use(request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void {
    const done = (error?: unknown) => {
      if (error === undefined) {
        next();
        return;
      }
      this.logger.error(`The session could not be read: ${error instanceof Error ? error.message : 'unknown reason'}`);
      // Its pool is another one, on the same server.
      if (!(translateDatabaseError(error, this.dataSource) instanceof SigraError)) {
        next(error);
        return;
      }
      // A session is also written when the answer has been sent.
      if (!response.headersSent) response.setHeader('Retry-After', '1');
      next(new ServiceUnavailableException('The database did not answer.'));
    };
    this.handle?.(request as Parameters<RequestHandler>[0], response as Parameters<RequestHandler>[1], done);
  }

  async onApplicationShutdown(): Promise<void> {
    this.store.close();
    await this.pool.end();
  }
}

/** Makes the browser delete the cookie of a session that has ended. */
export function forgetSessionCookie(reply: HttpReply): void {
  reply.header('Set-Cookie', `${SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`);
}
