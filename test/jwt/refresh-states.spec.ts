import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SigraError } from 'nestjs-sigra';
import { auditActions } from '../support/audit-rows.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { everyRow, familyRow } from '../support/family-rows.js';

/** The conditions of a presented token, in the order of their precedence within the leeway. */
const CONDITIONS = ['revoked', 'of an older epoch', 'past its absolute end', 'idle for too long', 'consumed'] as const;
type Condition = (typeof CONDITIONS)[number];

/** Every combination of the conditions: 32. */
const STATES = Array.from({ length: 2 ** CONDITIONS.length }, (_, bits) => {
  const state = CONDITIONS.filter((_, index) => bits & (1 << index));
  return { state, title: state.join(', ') || 'fresh' };
});

interface Expected {
  /** Code of the refusal; undefined if a pair is issued. */
  readonly code?: string;
  readonly message?: string;
  readonly audit: readonly string[];
}
const REUSE: Expected = {
  code: 'reuse_detected',
  message: 'The refresh token was used before; its family has been revoked.',
  audit: ['api.jwt_refresh_reuse'],
};

describe.each([0, 10])('with a leeway of %i s', (reuseLeeway) => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ reuseLeeway });
  });
  afterAll(() => test.close());

  const bring: Record<Condition, (familyId: string) => Promise<unknown>> = {
    revoked: (id) => test.dataSource.query('UPDATE sigra_refresh_families SET revoked_at = now() WHERE id = $1', [id]),
    'of an older epoch': (id) =>
      test.dataSource.query(
        `INSERT INTO sigra_owners SELECT owner_type, owner_id, 0, epoch + 1 FROM sigra_refresh_families WHERE id = $1
         ON CONFLICT (owner_type, owner_id) DO UPDATE SET family_epoch = excluded.family_epoch`,
        [id],
      ),
    'past its absolute end': (id) =>
      test.dataSource.query('UPDATE sigra_refresh_families SET absolute_expires_at = $2 WHERE id = $1', [
        id,
        test.clock.now(),
      ]),
    'idle for too long': (id) =>
      test.dataSource.query('UPDATE sigra_refresh_tokens SET expires_at = $2 WHERE family_id = $1', [
        id,
        test.clock.now(),
      ]),
    consumed: async () => {
      // Runs first, because every other condition would prevent it.
    },
  };

  /** The outcome of the condition with the highest precedence, after reuse, which only the absolute end precedes. */
  const expectedOf = (state: readonly Condition[]): Expected => {
    const isLate = state.includes('consumed') && reuseLeeway === 0;
    if (isLate && !state.includes('past its absolute end')) return REUSE;
    switch (state[0]) {
      case 'revoked':
        return { code: 'token_revoked', message: 'The family has been revoked.', audit: [] };
      case 'of an older epoch':
        return { code: 'token_revoked', message: 'The user has signed out everywhere.', audit: [] };
      case 'past its absolute end':
      case 'idle for too long':
        return { code: 'token_expired', message: 'The refresh token has expired.', audit: [] };
      case 'consumed':
        return { audit: ['api.jwt_refresh_replay'] };
      default:
        return { audit: ['api.jwt_refresh'] };
    }
  };

  it.each(STATES)('a token that is $title', async ({ state }) => {
    const user = await test.addUser('someone@example.com');
    const pair = await test.jwt.generateTokens(user, ['read:notes']);
    const familyId = familyIdOf(pair);
    if (state.includes('consumed')) await test.jwt.refresh(pair.refreshToken);
    for (const condition of state) await bring[condition](familyId);
    const actionsBefore = await auditActions(test.dataSource, familyId);
    const rowsBefore = await everyRow(test.dataSource);

    const refusal: unknown = await test.jwt.refresh(pair.refreshToken).then(
      () => undefined,
      (error: unknown) => error,
    );

    const { code, message, audit } = expectedOf(state);
    const family = await familyRow(test.dataSource, familyId);
    const actions = await auditActions(test.dataSource, familyId);
    if (refusal !== undefined) expect(refusal).toBeInstanceOf(SigraError);
    expect(refusal).toEqual(code && expect.objectContaining({ code, message }));
    expect(actions.slice(actionsBefore.length)).toEqual(audit);
    expect(family.revoke_reason).toBe(code === 'reuse_detected' ? 'reuse_detected' : null);
    if (audit.length === 0) expect(await everyRow(test.dataSource)).toEqual(rowsBefore);
  });
});
