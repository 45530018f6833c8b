import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Readable } from 'node:stream';
import type { HttpResponse } from '../auth/http-exchange.js';

/** The properties of Express's and Fastify's requests that the hooks read. */
interface RawRequest {
  readonly method: string;
  readonly url: string;
  /** The URL before Express removed the path of a router. */
  readonly originalUrl?: string;
  /** On Express: the path that its router matches, also of an application below another one. */
  readonly path?: string;
}

/** The properties of Node's request that readers of bodies use. */
export interface BodyRequest {
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly httpVersionMajor: number;
  /** Whether all of it has arrived. */
  readonly complete?: boolean;
  /** What a parser in front of the adapter has read. */
  readonly body?: unknown;
}

/** A reader of bodies in front of the parsers. */
export interface BodyReader {
  /** @param path of a request on Express, and of a route on Fastify */
  readonly isConcerned: (method: string, path: string) => boolean;
  /** Resolves to the stream that the parsers of Fastify get; those of Express get what is left of the body. Its errors are the answer. */
  readonly read: (request: BodyRequest, body: Readable) => Promise<Readable>;
  /** The limit of Fastify's parsers, in bytes. @default that of the application */
  readonly bodyLimit?: number;
}

type PreParsing = (
  request: RawRequest & { readonly raw: BodyRequest },
  reply: HttpResponse,
  payload: Readable,
  done: (error: unknown, payload?: Readable) => void,
) => void;

/** An answer of a hook. */
export interface HookAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

type Next = (error?: unknown) => void;

/** The part of Express that the hooks use. */
interface Express {
  use(
    middleware:
      | ((request: RawRequest & BodyRequest & Readable, response: HttpResponse, next: Next) => void)
      | ((error: unknown, request: RawRequest, response: HttpResponse, next: Next) => void),
  ): unknown;
}

/** The part of Fastify that the hooks use. */
interface Fastify {
  addHook(name: 'onRequest', hook: (request: RawRequest, reply: HttpResponse, done: () => void) => void): unknown;
  addHook(
    name: 'onSend',
    hook: (
      request: RawRequest,
      reply: FastifyReply,
      payload: unknown,
      done: (error: null, payload: unknown) => void,
    ) => void,
  ): unknown;
  addHook(name: 'onRoute', hook: (route: FastifyRoute) => void): unknown;
}

interface FastifyReply extends HttpResponse {
  readonly statusCode: number;
  code(status: number): unknown;
  getHeader(name: string): unknown;
}

interface FastifyRoute {
  readonly url: string;
  readonly method: string | readonly string[];
  bodyLimit?: number;
  preParsing?: PreParsing | readonly PreParsing[];
  errorHandler?: (error: unknown, request: RawRequest, reply: HttpResponse) => void;
}

/**
 * Answers outside of Nest's routes: before them, and after a failure on the way to them. Call the methods while the application
 * registers its middleware, which is before its routes. Adapters other than Express and Fastify have no hooks.
 */
@Injectable()
export class FrameworkHooks {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  /** Whether the application has its adapter. One of a testing module gets it after its providers. */
  get areReady(): boolean {
    return Boolean(this.adapterHost.httpAdapter);
  }

  /** Answers some requests before every guard, interceptor and prefix of the application. */
  answerFirst(answerTo: (method: string, path: string) => HookAnswer | undefined): void {
    this.onAdapter(
      (express) =>
        express.use((request: RawRequest, response: HttpResponse, next: Next) => {
          const answer = answerTo(request.method, pathOf(request));
          if (answer) this.send(answer, response);
          else next();
        }),
      (fastify) =>
        fastify.addHook('onRequest', (request, reply, done) => {
          const answer = answerTo(request.method, pathOf(request));
          if (answer) this.send(answer, reply);
          else done();
        }),
    );
  }

  /**
   * As `answerFirst`, also where something in front of it answers: the adapter of Fastify has CORS before all hooks. Call it
   * as soon as the adapter exists, before the application adds middleware.
   */
  answerAlways(answerTo: (method: string, path: string) => HookAnswer | undefined): void {
    this.answerFirst(answerTo);
    this.onAdapter(
      () => undefined,
      (fastify) =>
        fastify.addHook('onSend', (request, reply, payload, done) => {
          const answer = answerTo(request.method, pathOf(request));
          if (!answer || isSent(answer, reply)) {
            done(null, payload);
            return;
          }
          reply.code(answer.status);
          for (const [name, value] of Object.entries(answer.headers)) reply.header(name, value);
          done(null, answer.body === undefined ? '' : JSON.stringify(answer.body));
        }),
    );
  }

  /** Answers errors of routes before Nest handles the request, such as those of body parsers. */
  answerErrors(isConcerned: (path: string) => boolean, answerTo: (error: unknown) => HookAnswer): void {
    this.onAdapter(
      (express) =>
        express.use((error: unknown, request: RawRequest, response: HttpResponse, next: Next) => {
          if (isConcerned(pathOf(request))) this.send(answerTo(error), response);
          else next(error);
        }),
      (fastify) =>
        fastify.addHook('onRoute', (route) => {
          if (!isConcerned(route.url)) return;
          route.errorHandler = (error, _request, reply) => {
            this.send(answerTo(error), reply);
          };
        }),
    );
  }

  /** Reads bodies before the parsers of the application. */
  readBodies({ isConcerned, read, bodyLimit }: BodyReader): void {
    this.whenReady(() =>
      this.onAdapter(
        (express) =>
          express.use((request: RawRequest & BodyRequest & Readable, response: HttpResponse, next: Next) => {
            if (!hasBody(request) || !isConcerned(request.method, request.path ?? '')) next();
            else read(request, request).then(() => next(), closing(request, response, next));
          }),
        (fastify) =>
          fastify.addHook('onRoute', (route) => {
            if (![route.method].flat().some((method) => isConcerned(method, route.url))) return;
            if (bodyLimit !== undefined) route.bodyLimit = bodyLimit;
            route.preParsing = [
              ...[route.preParsing ?? []].flat(),
              (request, reply, payload, done) => {
                if (!hasBody(request.raw)) done(null, payload);
                else read(request.raw, payload).then((body) => done(null, body), closing(request.raw, reply, done));
              },
            ];
          }),
      ),
    );
  }

  /** A testing module gets its adapter after its providers, and in both cases before the application adds middleware. */
  private whenReady(run: () => void): void {
    if (this.areReady) run();
    else this.adapterHost.init$.subscribe(run);
  }

  private onAdapter(onExpress: (express: Express) => unknown, onFastify: (fastify: Fastify) => unknown): void {
    // A microservice and a context without a server have none.
    if (!this.areReady) return;
    const { httpAdapter } = this.adapterHost;
    const instance: unknown = httpAdapter.getInstance();
    switch (httpAdapter.getType()) {
      case 'express':
        onExpress(instance as Express);
        break;
      case 'fastify':
        onFastify(instance as Fastify);
        break;
    }
  }

  private send({ status, headers, body }: HookAnswer, response: HttpResponse): void {
    for (const [name, value] of Object.entries(headers)) response.header(name, value);
    this.adapterHost.httpAdapter.reply(response, body, status);
  }
}

function isSent({ status, headers }: HookAnswer, reply: FastifyReply): boolean {
  return (
    reply.statusCode === status && Object.entries(headers).every(([name, value]) => reply.getHeader(name) === value)
  );
}

function pathOf({ originalUrl, url }: RawRequest): string {
  return (originalUrl ?? url).split('?', 1)[0] ?? '';
}

/** RFC 9112 section 6. HTTP/2 has no header that tells. */
function hasBody({ headers, httpVersionMajor }: BodyRequest): boolean {
  const { 'content-length': length, 'transfer-encoding': transfer } = headers;
  return transfer !== undefined || (length !== undefined && length !== '0') || httpVersionMajor > 1;
}

/**
 * The rest of a body that is refused is not read, so that its connection serves no other request, and would stay open
 * forever.
 */
function closing(request: BodyRequest, response: HttpResponse, next: (error: unknown) => void) {
  return (error: unknown): void => {
    if (!request.complete) response.header('Connection', 'close');
    next(error);
  };
}
