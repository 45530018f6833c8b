import type { Server } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule, type AppSettings } from './app.module.js';
import { ApiDocument } from './docs/api-document.js';
import { mountOpenApi } from './docs/openapi.js';
import type { HttpAdapterName } from './environment.js';
import { securityHeaders } from './security-headers.js';

const ADAPTERS: Readonly<Record<HttpAdapterName, () => AbstractHttpAdapter>> = {
  express: () => new ExpressAdapter(),
  fastify: () => new FastifyAdapter(),
};

/** Creates the application, ready to listen. It behaves the same under both adapters. */
export async function createApp(settings: AppSettings, adapter: HttpAdapterName): Promise<INestApplication<Server>> {
  const app = await NestFactory.create<INestApplication<Server>>(AppModule.forRoot(settings), ADAPTERS[adapter](), {
    logger: ['error', 'warn'],
    // So that main.ts receives errors, and prints them.
    abortOnError: false,
  });
  app.use(securityHeaders());
  // Other sites can make a browser send forms, and the sign-in form is sent before a session exists. Sigra's guards
  // protect the API: they accept a bearer token from any site, and refuse a session from another site. The OAuth
  // endpoints do not read cookies.
  app.enableCsrfProtection({ exclude: ({ url }: { url: string }) => /^\/(?:api|oauth)\//.test(url) });
  const document = app.get(ApiDocument, { strict: false });
  document.of(app);
  mountOpenApi(app, () => document.get());
  return app;
}
