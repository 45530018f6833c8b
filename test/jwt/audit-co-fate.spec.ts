import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { TokenPair } from 'nestjs-sigra';
import { auditActions } from '../support/audit-rows.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { forbidAudit } from '../support/audit-faults.js';
import { everyRow } from '../support/family-rows.js';
import { refusalOf } from '../support/refusal.js';

const SCOPES = ['read:notes'];
const CHECK_VIOLATION = { code: '23514' };

describe('when the audit row cannot be written', () => {
  let test: JwtApp;
  let pair: TokenPair;
  let allow: (() => Promise<void>) | undefined;

  beforeAll(async () => {
    test = await startJwtApp({ reuseLeeway: 10 });
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    pair = await test.jwt.generateTokens(test.user, SCOPES);
  });
  afterEach(async () => {
    await allow?.();
    allow = undefined;
  });

  /** The error of a call whose audit action is forbidden. Asserts that the call wrote no row. */
  const failureUnder = async (action: string, call: () => Promise<unknown>): Promise<unknown> => {
    const before = await everyRow(test.dataSource);
    allow = await forbidAudit(test.dataSource, action);
    const failure: unknown = await call().then(
      () => 'it resolved',
      (error: unknown) => error,
    );
    expect(await everyRow(test.dataSource)).toEqual(before);
    await allow();
    allow = undefined;
    return failure;
  };

  it('aborts a refresh, and the old token still works', async () => {
    const failure = await failureUnder('api.jwt_refresh', () => test.jwt.refresh(pair.refreshToken));

    const next = await test.jwt.refresh(pair.refreshToken);
    expect(failure).toMatchObject({ code: 'refresh_aborted', cause: CHECK_VIOLATION });
    expect(next.scope).toBe('read:notes');
    expect(await auditActions(test.dataSource, familyIdOf(pair))).toEqual(['api.jwt_issue', 'api.jwt_refresh']);
  });

  it('answers a refresh over HTTP with 503, so that the client retries', async () => {
    const own = await startJwtApp({}, { sigra: { controllers: { oauth: 'oauth' } } });
    const { refreshToken } = await own.jwt.generateTokens(own.user, SCOPES);
    const refresh = () =>
      fetch(`${own.url}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken }),
      });
    const mend = await forbidAudit(own.dataSource, 'api.jwt_refresh');

    const aborted = await refresh();
    await mend();
    const again = await refresh();
    await own.close();

    expect(aborted.status).toBe(503);
    expect(aborted.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(again.status).toBe(200);
  });

  it('aborts a replay, which succeeds on retry', async () => {
    const second = await test.jwt.refresh(pair.refreshToken);

    const failure = await failureUnder('api.jwt_refresh_replay', () => test.jwt.refresh(pair.refreshToken));

    expect(failure).toMatchObject({ code: 'refresh_aborted' });
    expect((await test.jwt.refresh(pair.refreshToken)).refreshToken).toBe(second.refreshToken);
  });

  it('neither revokes nor publishes a reuse, which is detected on retry', async () => {
    const second = await test.jwt.refresh(pair.refreshToken);
    await test.jwt.refresh(second.refreshToken);
    test.clock.advance({ minutes: 1 });
    const published: unknown[] = [];
    const listen = (message: unknown) => published.push(message);
    subscribe('sigra:jwt:refresh_reuse_detected', listen);

    const failure = await failureUnder('api.jwt_refresh_reuse', () => test.jwt.refresh(pair.refreshToken));
    const publishedThen = [...published];
    const again = await refusalOf(test.jwt.refresh(pair.refreshToken));
    unsubscribe('sigra:jwt:refresh_reuse_detected', listen);

    expect(failure).toMatchObject({ code: 'refresh_aborted' });
    expect(publishedThen).toEqual([]);
    expect(again).toBe('reuse_detected');
    expect(published).toHaveLength(1);
  });

  it('issues no tokens', async () => {
    const failure = await failureUnder('api.jwt_issue', () => test.jwt.generateTokens(test.user, SCOPES));

    expect(failure).toMatchObject(CHECK_VIOLATION);
  });

  it.each([
    { title: 'by its token', revoke: () => test.jwt.revokeRefresh(pair.refreshToken) },
    { title: 'by its id', revoke: () => test.jwt.revokeFamily(test.user, familyIdOf(pair)) },
    { title: 'together with all families of the user', revoke: () => test.jwt.revokeAllRefresh(test.user) },
  ])('keeps a family valid that is revoked $title', async ({ revoke }) => {
    const failure = await failureUnder('api.jwt_revoke', revoke);

    const next = await test.jwt.refresh(pair.refreshToken);
    await revoke();
    expect(failure).toMatchObject(CHECK_VIOLATION);
    expect(await refusalOf(test.jwt.refresh(next.refreshToken))).toBe('token_revoked');
  });

  it('aborts a sign-out everywhere: epoch and families do not change', async () => {
    const { epoch } = await test.jwt.verifyAccess(pair.accessToken);
    const failure = await failureUnder('api.sign_out_everywhere', () => test.jwt.signOutEverywhere(test.user));

    expect(failure).toMatchObject(CHECK_VIOLATION);
    expect(await test.jwt.verifyAccess(pair.accessToken)).toMatchObject({ epoch });
    await test.jwt.refresh(pair.refreshToken);
  });
});

describe('with audit switched off', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({}, { sigra: { audit: { enabled: false } } });
  });
  afterAll(() => test.close());

  it('all operations work, reuse is still published, and no row is written', async () => {
    const published: unknown[] = [];
    const listen = (message: unknown) => published.push(message);
    subscribe('sigra:jwt:refresh_reuse_detected', listen);
    const first = await test.jwt.generateTokens(test.user, SCOPES);
    await test.jwt.refresh(first.refreshToken);

    const refusal = await refusalOf(test.jwt.refresh(first.refreshToken));
    await test.jwt.signOutEverywhere(test.user);
    unsubscribe('sigra:jwt:refresh_reuse_detected', listen);

    expect(refusal).toBe('reuse_detected');
    expect(published).toEqual([{ userId: test.user.id, familyId: familyIdOf(first) }]);
    expect(await auditActions(test.dataSource)).toEqual([]);
  });
});
