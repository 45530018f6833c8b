import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { TokenPair } from 'nestjs-sigra';
import { unseal } from '../../libs/sigra/src/common/sealing.js';
import { auditActions } from '../support/audit-rows.js';
import { eventually } from '../support/eventually.js';
import { familyIdOf, joinJwtApp, JWT, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { JwtNode, type Outcome } from '../support/jwt-node.js';
import { holdingFamilies, untilWaiting } from '../support/locks.js';
import { refreshRows } from '../support/family-rows.js';
import { refusalOf } from '../support/refusal.js';

/** Rotations in flight when the process is killed. */
const AT_ONCE = 40;
/** Answers before the process is killed. With ten connections, other rotations are then at every stage. */
const MOMENTS = [1, 8, 15, 25];
/** Rotations that wait at a latch, one for each connection. */
const HELD = 10;
/** A number that no other lock uses. */
const LATCH = 4_202;

jest.setTimeout(180_000);

describe('when a process is killed during rotations', () => {
  let strict: JwtApp;
  let lenient: JwtApp;
  const victims: JwtNode[] = [];

  beforeAll(async () => {
    strict = await startJwtApp();
    lenient = await joinJwtApp(strict, { reuseLeeway: 10 });
    const setup = {
      databaseUrl: strict.databaseUrl,
      jwt: JWT,
      leeways: [10],
      clock: { time: strict.clock.now().toJSON() },
    };
    victims.push(...(await Promise.all(Array.from({ length: MOMENTS.length + 3 }, () => JwtNode.start(setup)))));
    // A statement that reaches it waits for the latch.
    await strict.dataSource.query(
      `CREATE FUNCTION wait_for_latch() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN PERFORM pg_advisory_xact_lock_shared(${LATCH}); RETURN NEW; END $$`,
    );
  });
  afterAll(async () => {
    await Promise.all(victims.map((victim) => victim.stop()));
    await lenient.close();
    await strict.close();
  });

  const nextVictim = () => {
    const victim = victims.pop();
    if (!victim) throw new Error('No process is left');
    return victim;
  };
  const signIns = (count: number) =>
    Promise.all(Array.from({ length: count }, () => strict.jwt.generateTokens(strict.user, ['read:notes'])));
  const tokensOf = (pairs: readonly TokenPair[]) => pairs.map(({ refreshToken }) => refreshToken);

  /** The state of a family: its old token works, or the new one, which only the old one can unseal. */
  const stateOf = async (pair: TokenPair) => {
    const rows = await refreshRows(strict.dataSource, familyIdOf(pair));
    const live = rows.filter(({ consumed_at }) => consumed_at === null);
    const actions = await auditActions(strict.dataSource, familyIdOf(pair));
    expect(live).toHaveLength(1);
    if (rows.length === 1) {
      expect(actions).toEqual(['api.jwt_issue']);
      return { rotated: false as const, working: pair.refreshToken };
    }
    expect(rows).toHaveLength(2);
    expect(actions).toEqual(['api.jwt_issue', 'api.jwt_refresh']);
    return {
      rotated: true as const,
      working: unseal(rows[0]!.sealed_successor!, pair.refreshToken, 'refresh-token successor'),
    };
  };

  /**
   * Exactly one token works. In every second family, the client that lost its answer retries and gets the successor. In the
   * others the successor itself is used, and the old token counts as reuse.
   */
  const expectOneWorks = async (pairs: readonly TokenPair[], outcomes: readonly (Outcome | undefined)[]) => {
    const states = [];
    for (const [index, pair] of pairs.entries()) {
      const { rotated, working } = await stateOf(pair);
      const told = outcomes[index];
      // An answer is sent after the commit.
      if (told) expect(told).toMatchObject({ pair: { refreshToken: working } });
      if (rotated && index % 2 === 0) {
        expect((await lenient.jwt.refresh(pair.refreshToken)).refreshToken).toBe(working);
      }
      const next = await strict.jwt.refresh(working);
      expect(await refusalOf(strict.jwt.refresh(pair.refreshToken))).toBe('reuse_detected');
      expect(await refusalOf(strict.jwt.refresh(next.refreshToken))).toBe('token_revoked');
      states.push(rotated);
    }
    return states;
  };

  it('either the old token or the new one works, at any moment', async () => {
    const states: boolean[] = [];
    for (const moment of MOMENTS) {
      const victim = nextVictim();
      const pairs = await signIns(AT_ONCE);

      const outcomes = await victim.refresh(10, tokensOf(pairs), (count) => {
        if (count === moment) victim.kill();
      });
      await victim.gone(strict.dataSource);

      expect(outcomes.filter((outcome) => outcome !== undefined).length).toBeGreaterThanOrEqual(moment);
      states.push(...(await expectOneWorks(pairs, outcomes)));
    }
    // Both outcomes must occur, or the test proves nothing.
    expect(new Set(states)).toEqual(new Set([true, false]));
  });

  /** Kills a process when all its rotations wait. */
  const killAt = async (
    pairs: readonly TokenPair[],
    hold: (act: () => Promise<void>) => Promise<void>,
    allWait: () => Promise<unknown>,
  ) => {
    const victim = nextVictim();
    let presented: Promise<readonly (Outcome | undefined)[]> | undefined;
    await hold(async () => {
      presented = victim.refresh(10, tokensOf(pairs));
      await allWait();
      victim.kill();
      await presented;
    });
    await victim.gone(strict.dataSource);
    return presented!;
  };
  /** Rotations share a statement, so their number is that of the families that statements at the latch have locked. */
  const untilAllLocked = (pairs: readonly TokenPair[]) =>
    eventually(async () => {
      const free = await strict.dataSource.query<unknown[]>(
        'SELECT FROM sigra_refresh_families WHERE id = ANY($1::uuid[]) FOR NO KEY UPDATE SKIP LOCKED',
        [pairs.map((pair) => familyIdOf(pair))],
      );
      return free.length === 0;
    });
  const holdingLatch = (act: () => Promise<void>) =>
    strict.dataSource.transaction(async (manager) => {
      await manager.query('SELECT pg_advisory_xact_lock($1)', [LATCH]);
      await act();
    });

  it('the old tokens work if the rotations still wait for their families', async () => {
    const pairs = await signIns(HELD);

    const outcomes = await killAt(
      pairs,
      (act) =>
        holdingFamilies(
          strict.dataSource,
          pairs.map((pair) => familyIdOf(pair)),
          act,
        ),
      () => untilWaiting(strict.dataSource, HELD),
    );

    expect(outcomes).toEqual(pairs.map(() => undefined));
    expect(await expectOneWorks(pairs, outcomes)).toEqual(pairs.map(() => false));
  });

  it('one token of each works between a rotation and its audit row', async () => {
    const pairs = await signIns(HELD);
    await strict.dataSource.query(
      `CREATE TRIGGER halfway BEFORE INSERT ON sigra_audit_events FOR EACH ROW
       WHEN (NEW.action = 'api.jwt_refresh') EXECUTE FUNCTION wait_for_latch()`,
    );

    const outcomes = await killAt(pairs, holdingLatch, () => untilAllLocked(pairs));

    await strict.dataSource.query('DROP TRIGGER halfway ON sigra_audit_events');
    expect(outcomes).toEqual(pairs.map(() => undefined));
    await expectOneWorks(pairs, outcomes);
  });

  it('the new tokens work during the commit, and a retry returns them', async () => {
    const pairs = await signIns(HELD);
    await strict.dataSource.query(
      `CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON sigra_audit_events DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW WHEN (NEW.action = 'api.jwt_refresh') EXECUTE FUNCTION wait_for_latch()`,
    );

    const outcomes = await killAt(pairs, holdingLatch, () => untilAllLocked(pairs));

    await strict.dataSource.query('DROP TRIGGER at_commit ON sigra_audit_events');
    expect(outcomes).toEqual(pairs.map(() => undefined));
    expect(await expectOneWorks(pairs, outcomes)).toEqual(pairs.map(() => true));
  });
});
