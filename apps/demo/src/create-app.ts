import type { Server } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule, type AppSettings } from './app.module.js';
import { mountOpenApi } from './docs/openapi.js';
import type { HttpAdapterName } from './environment.js';
import { securityHeaders } from './security-headers.js';

const ADAPTERS: Readonly<Record<HttpAdapterName, () => AbstractHttpAdapter>> = {
  express: () => new ExpressAdapter(),
  fastify: () => new FastifyAdapter(),
};

/** The application, ready to listen. Everything in it is the same under both adapters. */
export async function createApp(settings: AppSettings, adapter: HttpAdapterName): Promise<INestApplication<Server>> {
  const app = await NestFactory.create<INestApplication<Server>>(AppModule.forRoot(settings), ADAPTERS[adapter](), {
    logger: ['error', 'warn'],
    // Errors reach main.ts, which knows what to say of them.
    abortOnError: false,
  });
  app.use(securityHeaders());
  // Other sites can make a browser send forms, and the sign-in form comes before there is a session to protect. The API
  // is left to Sigra's guards: a bearer token may come from any page, and they refuse a session that does. The OAuth
  // endpoints read no cookie at all.
  app.enableCsrfProtection({ exclude: ({ url }: { url: string }) => /^\/(?:api|oauth)\//.test(url) });
  mountOpenApi(app);
  return app;
}
