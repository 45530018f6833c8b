import 'reflect-metadata';
import { Test } from '@nestjs/testing';
import { FakeClock } from 'nestjs-sigra/testing';
import { AppModule } from './app.module.js';
import { EXPECTED, mainJob } from './flow.js';
import { platform } from './platform.js';
import { prepare } from './prepare.js';

describe('the application', () => {
  it('accepts a token, and refuses it when it is revoked', async () => {
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    const app = testing.createNestApplication(...platform());
    await prepare(app).listen(0, '127.0.0.1');

    const outcome = await mainJob(app).finally(() => app.close());

    expect(Object.values(outcome)).toEqual(Object.keys(outcome).map(() => EXPECTED));
  }, 60_000);

  it('finds the testing kit', () => {
    const clock = new FakeClock(new Date(0));

    clock.advance({ minutes: 1 });

    expect(clock.now().toISOString()).toBe('1970-01-01T00:01:00.000Z');
  });
});
