import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SigraError, type TokenPair } from 'nestjs-sigra';
import { auditActions } from '../support/audit-rows.js';
import { refreshRows } from '../support/family-rows.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { QueryLog } from '../support/query-log.js';

const SCOPES = ['read:notes'];
const FAMILIES = 40;

describe('rotations of one moment', () => {
  let test: JwtApp;
  let log: QueryLog;

  beforeAll(async () => {
    test = await startJwtApp({}, { sigra: { jwt: { maxFamiliesPerOwner: 1000 } } });
    log = QueryLog.of(test.dataSource);
  });
  afterAll(() => test.close());
  beforeEach(() => log.clear());

  const signIns = () => Promise.all(Array.from({ length: FAMILIES }, () => test.jwt.generateTokens(test.user, SCOPES)));
  /** `issued`, or the code of the refusal. */
  const outcomeOf = ({ refreshToken }: TokenPair) =>
    test.jwt.refresh(refreshToken).then(
      () => 'issued',
      (error: unknown) => (error instanceof SigraError ? error.code : String(error)),
    );
  const statements = () => log.matching(/consumed_at =/).length;

  it('share a few statements, and each has its own successor and audit row', async () => {
    const pairs = await signIns();

    const next = await Promise.all(pairs.map(({ refreshToken }) => test.jwt.refresh(refreshToken)));

    expect(statements()).toBeLessThanOrEqual(FAMILIES / 2);
    expect(new Set(next.map(({ refreshToken }) => refreshToken)).size).toBe(FAMILIES);
    expect(next.map(familyIdOf)).toEqual(pairs.map(familyIdOf));
    for (const pair of next) {
      const rows = await refreshRows(test.dataSource, familyIdOf(pair));
      expect(rows.map(({ consumed_at }) => consumed_at === null)).toEqual([false, true]);
      expect(await auditActions(test.dataSource, familyIdOf(pair))).toEqual(['api.jwt_issue', 'api.jwt_refresh']);
    }
    // Each successor belongs to its own family.
    const last = await Promise.all(next.map(({ refreshToken }) => test.jwt.refresh(refreshToken)));
    expect(last.map(familyIdOf)).toEqual(pairs.map(familyIdOf));
  });

  it('fail alone: an audit row that the database refuses keeps no other token from its rotation', async () => {
    const pairs = await signIns();
    const refused = familyIdOf(pairs[7]!);
    await test.dataSource.query(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
       CREATE TRIGGER refuse BEFORE INSERT ON sigra_audit_events FOR EACH ROW
       WHEN (NEW.target_id = '${refused}') EXECUTE FUNCTION refuse()`,
    );

    const outcomes = await Promise.all(pairs.map(outcomeOf));

    await test.dataSource.query('DROP TRIGGER refuse ON sigra_audit_events');
    expect(outcomes.flatMap((outcome, index) => (outcome === 'issued' ? [] : [index]))).toEqual([7]);
    expect(await refreshRows(test.dataSource, refused)).toHaveLength(1);
    expect((await test.jwt.refresh(pairs[7]!.refreshToken)).scope).toBe('read:notes');
  });

  it('of a revoked and of good families: only the revoked one is refused', async () => {
    const pairs = await signIns();
    await test.jwt.revokeRefresh(pairs[3]!.refreshToken);

    const outcomes = await Promise.all(pairs.map(outcomeOf));

    expect(outcomes.filter((outcome) => outcome !== 'issued')).toEqual(['token_revoked']);
    expect(outcomes[3]).toBe('token_revoked');
  });

  it('of one token: one succeeds, and the others are reuse', async () => {
    const pair = await test.jwt.generateTokens(test.user, SCOPES);

    const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcomeOf(pair)));

    expect(outcomes.filter((outcome) => outcome === 'issued')).toHaveLength(1);
    expect(new Set(outcomes)).toEqual(new Set(['issued', 'reuse_detected', 'token_revoked']));
    expect(await refreshRows(test.dataSource, familyIdOf(pair))).toHaveLength(2);
  });
});
