import 'reflect-metadata';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Clock, sigraEntities, SigraError, SigraJwtService, SigraModule } from '../../libs/sigra/src/index.js';
import { FakeClock } from '../../libs/sigra/src/testing.js';
import type { NodeAnswer, NodeCall, NodeSetup, Outcome } from './jwt-nodes.js';

// A node of an application with JWTs, in a process of its own. What it has to do comes as messages; see `JwtNode`.
const setup = JSON.parse(process.argv[2] ?? '') as NodeSetup;

/** Nodes with one database can still differ in how much they forgive. */
async function boot(reuseLeeway: number): Promise<SigraJwtService> {
  const module = await Test.createTestingModule({
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url: setup.databaseUrl,
        applicationName: setup.name,
        entities: sigraEntities,
        retryAttempts: 0,
      }),
      SigraModule.forRoot({
        users: { provider: { findByIds: (ids) => Promise.resolve(ids.map((id) => ({ id }))) } },
        apiTokens: { scopes: ['read:notes'] },
        jwt: { ...setup.jwt, reuseLeeway },
        cleanup: { schedule: false },
        // A slow machine is not an unreachable database.
        lookupTimeout: 60_000,
      }),
    ],
  })
    .overrideProvider(Clock)
    // It stands still, so that no window closes on a slow machine.
    .useValue(new FakeClock(new Date(setup.time)))
    .compile();
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
  if (!jwt) throw new Error(`No leeway of ${leeway} was asked for`);
  tokens.forEach((token, index) => {
    void outcomeOf(jwt, token).then((outcome) => send({ call, index, outcome }));
  });
});
process.once('disconnect', () => process.exit());
send('ready');
