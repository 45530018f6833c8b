import { Controller, Get, type INestApplication, Module, Req } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type HttpContestantName, httpContestants } from '../contestants/http/all.js';
import type { HttpContestant, Visitor } from '../contestants/http/contestant.js';
import { serve } from '../harness/child-api.js';
import type { Headers } from '../harness/load.js';

/** `http-server.ts <adapter> <contestant> <url of Sigra's database> <url of that with policies> <url of better-auth's>`: one server. */
export type Adapter = 'express' | 'fastify';

/** The same for all contestants. The id shows that the guard has found the right user. */
@Controller('whoami')
class WhoAmIController {
  @Get()
  whoAmI(@Req() { user }: { user?: { id: string } }) {
    return { id: user?.id ?? null };
  }
}

const [adapter, name = '', sigra = '', policies = '', betterAuth = ''] = process.argv.slice(2);
const factory = await httpContestants[name as HttpContestantName]();
const contestant: HttpContestant = factory({ sigra, policies, betterAuth });

@Module({ ...contestant.module, controllers: [WhoAmIController] })
class ServerModule {}

const app: INestApplication = await NestFactory.create(
  ServerModule,
  adapter === 'fastify'
    ? new (await import('@nestjs/platform-fastify')).FastifyAdapter()
    : new (await import('@nestjs/platform-express')).ExpressAdapter(),
  { logger: false },
);
await app.listen(0, '127.0.0.1');

const methods = {
  url: async () => `${await app.getUrl()}/whoami`,
  credentials: async (visitors: readonly Visitor[]) => {
    const headers: Headers[] = [];
    for (const visitor of visitors) headers.push(await contestant.credential(visitor, app));
    return headers;
  },
  /** CPU time so far, user and system, in microseconds. */
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
};
export type HttpServer = typeof methods;
serve(methods, () => app.close());
