import 'reflect-metadata';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Clock, sigraEntities, SigraError, SigraJwtService, SigraModule } from 'nestjs-sigra';
import { FakeClock } from 'nestjs-sigra/testing';
import { setClock } from './wrong-clock.js';
import type { JwtNodeSetup, NodeAnswer, NodeCall, Outcome } from './jwt-node.js';

// The program of `JwtNode`. Its work arrives as messages.
const setup = JSON.parse(process.argv[2] ?? '') as JwtNodeSetup;

if ('skew' in setup.clock) setClock(setup.clock.skew);

const users = { provider: { findByIds: (ids: readonly string[]) => Promise.resolve(ids.map((id) => ({ id }))) } };

/** Applications on one database that differ in their leeway. */
async function boot(reuseLeeway: number): Promise<SigraJwtService> {
  const builder = Test.createTestingModule({
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url: setup.databaseUrl,
        applicationName: setup.name,
        entities: sigraEntities,
        retryAttempts: 0,
      }),
      SigraModule.forRoot({
        users,
        apiTokens: { scopes: ['read:notes'] },
        jwt: { ...setup.jwt, reuseLeeway },
        cleanup: { schedule: false },
        // A slow machine is not an unreachable database.
        lookupTimeout: 60_000,
      }),
    ],
  });
  if ('time' in setup.clock) {
    // The clock stands still, so that no window closes on a slow machine.
    builder.overrideProvider(Clock).useValue(new FakeClock(new Date(setup.clock.time)));
  }
  const module = await builder.compile();
  await module.init();
  return module.get(SigraJwtService);
}

const send = (answer: NodeAnswer) => process.send?.(answer);

async function outcomeOf(jwt: SigraJwtService, token: string): Promise<Outcome> {
  try {
    return { pair: await jwt.refresh(token) };
  } catch (error) {
    return { refusal: error instanceof SigraError ? error.code : String(error) };
  }
}

const services = new Map<number, SigraJwtService>();
for (const leeway of setup.leeways) services.set(leeway, await boot(leeway));

process.on('message', ({ call, leeway, tokens }: NodeCall) => {
  const jwt = services.get(leeway);
  if (!jwt) throw new Error(`This node has no application with a leeway of ${leeway}`);
  tokens.forEach((token, index) => {
    void outcomeOf(jwt, token).then((outcome) => send({ call, index, outcome }));
  });
});
process.once('disconnect', () => process.exit());
send('ready');
