import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import * as sigra from 'nestjs-sigra';
import { type AuditEvent, AuditService } from 'nestjs-sigra';
import { VerifyFailureRecorder } from '../../libs/sigra/src/tokens/verify-failure.recorder.js';
import { document } from '../support/markdown.js';
import { refusalOf } from '../support/refusal.js';
import { SnippetRunner } from '../support/run-snippet.js';
import { SIGRA_OPTIONS, startTestApp, type TestApp } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };

/** The consumer of `docs/events.md`. */
class Consumer {
  readonly events: AuditEvent[] = [];
  private cursor: string | undefined;

  constructor(private readonly audit: AuditService) {}

  /** What the timer calls. */
  async run(): Promise<void> {
    await new SnippetRunner(document('docs/events.md'), { 'nestjs-sigra': sigra }).run('cursorStore.read()', {
      audit: this.audit,
      cursorStore: {
        read: async () => this.cursor,
        write: async (cursor: string) => {
          this.cursor = cursor;
        },
      },
      forward: async (event: AuditEvent) => {
        this.events.push(event);
      },
    });
  }

  idsOf(action: string) {
    return this.events.filter((event) => event.action === action).map(({ id }) => id);
  }
}

describe('A consumer of the audit trail', () => {
  let test: TestApp;
  let consumer: Consumer;

  beforeAll(async () => {
    test = await startTestApp();
  });
  beforeEach(() => {
    consumer = new Consumer(test.get(AuditService));
  });
  afterAll(() => test.close());

  const idsInDatabase = async (action: string) => {
    const rows = await test.dataSource.query<{ id: string }[]>(
      'SELECT id FROM sigra_audit_events WHERE action = $1 ORDER BY occurred_at, id',
      [action],
    );
    return rows.map(({ id }) => id);
  };

  it('gets each row of refusals that go on for an hour, while other events move its cursor', async () => {
    const { rawToken, token } = await test.tokens.create(test.user, REQUEST);
    await test.tokens.revoke(token.id);
    const recorder = test.get(VerifyFailureRecorder);
    const action = 'api.token_verify.failure';
    let refusals = 0;
    for (let minute = 0; minute < 80; minute++) {
      await recorder.flushDue();
      // Right after a row, so that the next one is written as long after its refusal as possible.
      if (minute < 60 && (await idsInDatabase(action)).length === refusals) {
        await refusalOf(test.tokens.verify(rawToken));
        refusals++;
      }
      await test.get(AuditService).log('note.add');
      test.clock.advance({ minutes: 1 });
      await consumer.run();
    }

    expect(refusals).toBeGreaterThan(5);
    expect(consumer.idsOf(action)).toHaveLength(refusals);
    expect(consumer.idsOf(action)).toEqual(await idsInDatabase(action));
  });

  it('gets an event whose transaction commits as late as lookupTimeout allows, after later events', async () => {
    const audit = test.get(AuditService);
    await test.dataSource.transaction(async (manager) => {
      await audit.append(manager, { action: 'note.slow' });
      for (const milliseconds of [1000, SIGRA_OPTIONS.lookupTimeout - 1000]) {
        test.clock.advance({ milliseconds });
        await audit.log('note.fast');
        await consumer.run();
      }
    });
    test.clock.advance({ minutes: 2 });
    await consumer.run();

    expect(consumer.idsOf('note.slow')).toEqual(await idsInDatabase('note.slow'));
    expect(consumer.idsOf('note.fast')).toEqual(await idsInDatabase('note.fast'));
  });

  it('reads up to the longest transaction, and half a minute for clocks, before the present', async () => {
    const slow = await startTestApp({ databaseUrl: test.databaseUrl, sigra: { lookupTimeout: 60_000 } });
    const fast = await startTestApp({ databaseUrl: test.databaseUrl, sigra: { lookupTimeout: 2000 } });
    const secondsBefore = ({ clock, ...app }: TestApp) =>
      (clock.now().getTime() - app.get(AuditService).settledBefore().getTime()) / 1000;

    // Batches of background work have half a minute, whatever lookupTimeout is.
    expect([secondsBefore(slow), secondsBefore(fast)]).toEqual([90, 60]);
    await Promise.all([slow.close(), fast.close()]);
  });
});
