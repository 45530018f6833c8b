import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Controller, Get, Module } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { CurrentUser, RequireScopes, SigraAuthGuard, SigraJwtService } from 'nestjs-sigra';
import { SCOPES, sigraModule, typeOrmModule } from '../contestants/host.js';
import { serve } from '../harness/child-api.js';
import { userId } from '../harness/tokens.js';
import type { SignIn } from '../soak/mixed-load.js';

/** `soak-server.ts <database url>`: a server that uses all parts of Sigra. Needs `--expose-gc`. */
const [databaseUrl = ''] = process.argv.slice(2);

@Controller()
class SoakController {
  @Get('whoami')
  whoAmI(@CurrentUser('id') id: string) {
    return { id };
  }

  @Get('admin')
  @RequireScopes('admin')
  admin() {
    return { ok: true };
  }
}

@Module({
  imports: [
    typeOrmModule(databaseUrl),
    sigraModule({
      // Uses are recorded all the time.
      apiTokens: { scopes: SCOPES, activityUpdateThreshold: 1 },
      controllers: { tokens: 'api/tokens', scopes: 'api/scopes', jwt: 'api/jwt', oauth: 'oauth' },
    }),
  ],
  controllers: [SoakController],
  providers: [{ provide: APP_GUARD, useExisting: SigraAuthGuard }],
})
class SoakModule {}

const app = await NestFactory.create<NestFastifyApplication>(SoakModule, new FastifyAdapter(), { logger: false });
await app.listen(0, '127.0.0.1');
/** Time between two samples of the event loop, in milliseconds; Node counts it as part of the delay. */
const RESOLUTION = 10;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
delay.enable();

const MIB = 2 ** 20;

const methods = {
  url: () => app.getUrl(),

  signIn: async ({ count }: { count: number }): Promise<SignIn[]> => {
    const jwt = app.get(SigraJwtService);
    const signIns: SignIn[] = [];
    for (let user = 1; user <= count; user++) {
      signIns.push({ user, ...(await jwt.generateTokens(userId(user), ['read:projects', 'write:projects'])) });
    }
    return signIns;
  },

  /** CPU of this process so far, in microseconds. */
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },

  /** Memory in MiB, and the delay of the event loop since the last call, in milliseconds. */
  vitals: () => {
    const [p50, p99, max] = [delay.percentile(50), delay.percentile(99), delay.max].map((each) =>
      Math.max(each / 1e6 - RESOLUTION, 0),
    );
    const rss = process.memoryUsage.rss() / MIB;
    // Measures the live heap only. The server itself causes no such pause.
    globalThis.gc?.();
    const heap = process.memoryUsage().heapUsed / MIB;
    delay.reset();
    return { rss, heap, p50: p50 ?? NaN, p99: p99 ?? NaN, max: max ?? NaN };
  },
};
export type SoakServer = typeof methods;
serve(methods, () => app.close());
