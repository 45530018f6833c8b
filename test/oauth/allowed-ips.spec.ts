import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { IssuedApiToken } from 'nestjs-sigra';
import { flushBackgroundWrites } from 'nestjs-sigra/testing';
import { auditRows } from '../support/audit-rows.js';
import { claimsOf, closeJwtApps } from '../support/jwt-app.js';
import { OAUTH_CONTROLLERS, type OAuthApp, startOAuthApp } from '../support/oauth-app.js';
import { sendFrom } from '../support/send-from.js';
import { ADAPTERS } from '../support/test-app.js';
import { unknownToken } from '../support/unknown-token.js';

const HOME = '127.0.0.1';
const ELSEWHERE = '127.0.0.2';
const INACTIVE = { active: false };

describe.each(ADAPTERS)('The OAuth endpoints and addresses, on %s', (adapter) => {
  let test: OAuthApp;

  beforeAll(async () => {
    test = await startOAuthApp({}, { adapter, sigra: { controllers: OAUTH_CONTROLLERS } });
  });
  afterAll(closeJwtApps);

  const create = (allowedIps: readonly string[] | null) =>
    test.tokens.create(test.user, { name: 'CI', scopes: ['*'], allowedIps });
  const post = (from: string, endpoint: string, form: Readonly<Record<string, string>>) =>
    sendFrom(from, test.url, { method: 'POST', path: `/oauth/${endpoint}`, body: new URLSearchParams(form) });
  const client = ({ token, rawToken }: IssuedApiToken) => ({ client_id: token.id, client_secret: rawToken });
  const grant = (from: string, issued: IssuedApiToken) =>
    post(from, 'token', { grant_type: 'client_credentials', ...client(issued) });
  const statusOf = async (credential: string, from: string) =>
    (await sendFrom(from, test.url, { path: '/notes/me', headers: { authorization: `Bearer ${credential}` } })).status;

  it.each<[string, Readonly<Record<string, string>>]>([
    ['token', { grant_type: 'client_credentials' }],
    ['revoke', { token: 'sigra_rt_unknown' }],
    ['introspect', { token: 'sigra_rt_unknown' }],
  ])('accept a limited API token as a client of %s from its addresses only', async (endpoint, form) => {
    const issued = await create([HOME]);

    const accepted = await post(HOME, endpoint, { ...form, ...client(issued) });
    const refused = await post(ELSEWHERE, endpoint, { ...form, ...client(issued) });

    expect(accepted.status).toBe(200);
    expect([refused.status, refused.body.error]).toEqual([401, 'invalid_client']);
    expect(refused).toEqual(
      await post(ELSEWHERE, endpoint, { ...form, ...client({ ...issued, rawToken: unknownToken() }) }),
    );
  });

  it('give a limited API token a JWT that is limited like it', async () => {
    const { body } = await grant(HOME, await create(['127.0.0.0/31']));

    const accessToken = String(body.access_token);
    expect(claimsOf(accessToken).allowed_ips).toEqual(['127.0.0.0/31']);
    expect(await statusOf(accessToken, HOME)).toBe(200);
    expect(await statusOf(accessToken, ELSEWHERE)).toBe(401);
  });

  it('refuse scopes that are too long for an access token together with the addresses', async () => {
    const scopes = Array.from({ length: 255 }, (_, n) => `long:${'x'.repeat(7)}${String(n).padStart(3, '0')}`);
    const ips = Array.from({ length: 49 }, (_, n) => `2001:db8:ffff:ffff:ffff:ffff:ffff:${(0xf000 + n).toString(16)}`);
    const big = await startOAuthApp({}, { adapter, sigra: { controllers: OAUTH_CONTROLLERS, apiTokens: { scopes } } });
    const issued = await big.tokens.create(big.user, { name: 'CI', scopes, allowedIps: [HOME, ...ips] });
    const request = (form: Readonly<Record<string, string>>) =>
      sendFrom(HOME, big.url, {
        method: 'POST',
        path: '/oauth/token',
        body: new URLSearchParams({ grant_type: 'client_credentials', ...client(issued), ...form }),
      });

    const all = await request({});
    const few = await request({ scope: scopes.slice(0, 100).join(' ') });

    expect([all.status, all.body.error]).toEqual([400, 'invalid_scope']);
    expect(few.status).toBe(200);
  });

  it('refresh a limited family from its addresses only', async () => {
    const { refreshToken } = await test.signIn();
    await test.dataSource.query('UPDATE sigra_refresh_families SET allowed_ips = $1', [[HOME]]);
    const refresh = (from: string) => post(from, 'token', { grant_type: 'refresh_token', refresh_token: refreshToken });

    const refused = await refresh(ELSEWHERE);
    const accepted = await refresh(HOME);

    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_grant']);
    expect(accepted.status).toBe(200);
    expect(claimsOf(String(accepted.body.access_token)).allowed_ips).toEqual([HOME]);
  });

  describe('introspect', () => {
    const introspect = async (token: string, ipAddress?: string) => {
      const asker = await create(null);
      const form = { token, ...(ipAddress !== undefined && { ip_address: ipAddress }) };
      return (await post(HOME, 'introspect', { ...form, ...client(asker) })).body;
    };

    it('calls a limited API token active from its addresses only', async () => {
      const { rawToken, token } = await create(['192.0.2.0/24']);

      expect(await introspect(rawToken, '::ffff:192.0.2.7')).toMatchObject({
        active: true,
        jti: token.id,
        allowed_ips: ['192.0.2.0/24'],
      });
      expect(await introspect(rawToken, '198.51.100.1')).toEqual(INACTIVE);
      expect(await introspect(rawToken, 'unknown')).toEqual(INACTIVE);
      expect(await introspect(rawToken)).toEqual(INACTIVE);
      await flushBackgroundWrites(test.app);
      const failures = (await auditRows(test.dataSource, token.id)).filter(({ outcome }) => outcome === 'failure');
      expect(failures.map(({ ip_address, metadata }) => [ip_address, metadata.reason])).toContainEqual([
        '198.51.100.1',
        'ip_not_allowed',
      ]);
    });

    it('calls limited JWTs and refresh tokens active from their addresses only', async () => {
      const { body } = await grant(HOME, await create([HOME]));
      const { refreshToken } = await test.signIn();
      await test.dataSource.query('UPDATE sigra_refresh_families SET allowed_ips = $1', [[HOME]]);

      for (const token of [String(body.access_token), refreshToken]) {
        expect(await introspect(token, HOME)).toMatchObject({ active: true, allowed_ips: [HOME] });
        expect(await introspect(token, ELSEWHERE)).toEqual(INACTIVE);
        expect(await introspect(token)).toEqual(INACTIVE);
      }
    });

    it('needs no address for a token without a limit', async () => {
      const { rawToken } = await create(null);

      const answer = await introspect(rawToken);

      expect(answer.active).toBe(true);
      expect(answer).not.toHaveProperty('allowed_ips');
    });
  });
});
