import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ForbiddenException } from '@nestjs/common';
import { type AdminApiTokenView, CredentialService, type HostRequest, type Principal } from 'nestjs-sigra';
import { auditActions, auditRows } from '../support/audit-rows.js';
import { betterAuthKey, FORMATS } from '../support/foreign-tokens.js';
import { ADAPTERS, startTestApp, type TestApp, type User } from '../support/test-app.js';
import { TokenClient } from '../support/token-client.js';
import { unknownToken } from '../support/unknown-token.js';

const PATH = '/api/admin/tokens';
const REQUEST = { name: 'CI', scopes: ['read:notes'] };

interface Found {
  readonly token: AdminApiTokenView;
  readonly tokens: readonly AdminApiTokenView[];
  readonly sample: readonly AdminApiTokenView[];
  readonly nextCursor: string | null;
  readonly count: number;
  readonly revoked: number;
  readonly remaining: number;
  readonly digest: string;
  readonly error: string;
  readonly message: string;
  readonly missing: readonly string[];
}

describe.each(ADAPTERS)('The admin controller on %s', (adapter) => {
  let test: TestApp;
  let admin: User;
  let owner: User;
  /** What the step-up of the next request answers. */
  let stepUp: () => unknown;

  beforeAll(async () => {
    test = await startTestApp({
      adapter,
      sigra: {
        controllers: { tokens: 'api/tokens', scopes: 'api/scopes', admin: 'api/admin/tokens' },
        apiTokens: { scopes: ['read:notes', 'write:notes', 'admin'], foreignFormats: FORMATS },
        admin: {
          canAdminister: async ({ user }: Principal<User>) => Promise.resolve(user.email === 'root@example.com'),
          requireStepUp: (_principal: Principal<User>, request: HostRequest) =>
            request.headers['x-fresh'] === 'no' ? (stepUp() as boolean) : true,
        },
      },
    });
    admin = await test.addUser('root@example.com');
  });
  afterAll(() => test.close());
  beforeEach(async () => {
    owner = await test.addUser('owner@example.com');
    stepUp = () => false;
  });

  const call = async (
    method: string,
    path = '',
    body?: unknown,
    headers: Record<string, string> = inSession(admin),
  ) => {
    const answer = await fetch(`${test.url}${PATH}${path}`, {
      method,
      headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: JSON.parse(text || 'null') as Found };
  };
  const inSession = ({ id }: User) => ({ 'x-session-user': id });
  const bearer = (rawToken: string) => ({ authorization: `Bearer ${rawToken}` });
  const search = async (query: string) => (await call('GET', `?${query}`)).body;
  const idsOf = ({ tokens }: Found) => tokens.map(({ id }) => id);
  const stateOf = async (id: string) => (await call('GET', `/${id}`)).body.token.state;
  const make = (name = 'CI', scopes = ['read:notes']) => test.tokens.create(owner, { name, scopes });

  describe('admits only administrators', () => {
    const routes = [
      ['GET', '', undefined],
      ['GET', '/019b76da-a800-7000-8000-000000000001', undefined],
      ['POST', '/lookup', { rawToken: unknownToken() }],
      ['DELETE', '/019b76da-a800-7000-8000-000000000001', undefined],
      ['POST', '/revoke', { filter: { name: 'CI' }, dryRun: true }],
      ['POST', '/revoke', { filter: { name: 'CI' }, digest: 'none' }],
    ] as const;

    it.each(routes)('%s %s refuses an ordinary session, which has every scope', async (method, path, body) => {
      const answer = await call(method, path, body, inSession(owner));

      expect([answer.status, answer.body.error]).toEqual([403, 'not_administrator']);
    });

    it.each(routes)('%s %s refuses tokens of ordinary users with wildcards', async (method, path, body) => {
      for (const scope of ['*', 'api_tokens:*', 'api_tokens:admin']) {
        const { rawToken } = await make('CI', [scope]);

        const answer = await call(method, path, body, bearer(rawToken));

        expect([answer.status, answer.body.error]).toEqual([403, 'not_administrator']);
      }
    });

    it.each(routes)('%s %s refuses a token of an administrator without the scope', async (method, path, body) => {
      const scopes = ['api_tokens:read', 'api_tokens:write', 'admin'];
      const { rawToken } = await test.tokens.create(admin, { name: 'CI', scopes });

      const answer = await call(method, path, body, bearer(rawToken));

      expect([answer.status, answer.body.error, answer.body.missing]).toEqual([
        403,
        'insufficient_scope',
        ['api_tokens:admin'],
      ]);
    });

    it.each(routes)('%s %s refuses requests without a credential', async (method, path, body) => {
      expect((await call(method, path, body, {})).status).toBe(401);
    });

    it('refuses unsafe requests from another origin', async () => {
      const headers = { ...inSession(admin), origin: 'https://a.example', 'sec-fetch-site': 'cross-site' };

      expect((await call('POST', '/lookup', { rawToken: unknownToken() }, headers)).body.error).toBe('cross_origin');
    });
  });

  it('reads a token of any owner, in any state', async () => {
    const { token } = await make();

    const active = await call('GET', `/${token.id}`);
    await test.tokens.revoke(token.id);
    const revoked = await call('GET', `/${token.id}`);

    expect([active.status, active.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(active.body.token).toMatchObject({ id: token.id, ownerId: owner.id, state: 'active', revokedAt: null });
    expect(active.body.token).not.toHaveProperty('tokenHash');
    expect(revoked.body.token).toMatchObject({ state: 'revoked', revokeReason: 'revoked' });
    expect((await call('GET', '/unknown')).status).toBe(404);
    expect((await call('GET', `/${owner.id}`)).body.error).toBe('not_found');
  });

  it('searches by owner, hint, name, prefix, scopes, times and state', async () => {
    const soon = new Date(test.clock.now().getTime() + 3_600_000);
    const [build, deploy, wild] = [
      await make('Build of 100%'),
      await make('Deploy', ['admin']),
      await make('W', ['*']),
    ];
    const expiring = await test.tokens.create(owner, { ...REQUEST, name: 'Brief', expiresAt: soon });
    const revoked = await make('Old');
    await test.tokens.revoke(revoked.token.id);
    const all = [build, deploy, wild, expiring, revoked].map(({ token }) => token.id);
    const of = (query: string) => search(`ownerId=${owner.id}&order=oldest&${query}`).then(idsOf);

    expect(await of('')).toEqual(all);
    expect(await of('order=newest').catch(() => [])).not.toEqual(all);
    expect(await of(`hint=${deploy.token.hint}`)).toEqual([deploy.token.id]);
    expect(await of('name=build')).toEqual([build.token.id]);
    expect(await of('name=100%25')).toEqual([build.token.id]);
    expect(await of('name=_')).toEqual([]);
    expect(await of('prefix=sigra_sk_')).toEqual(all);
    expect(await of('prefix=other_')).toEqual([]);
    expect(await of('scopes=admin')).toEqual([deploy.token.id, wild.token.id]);
    expect(await of('scopes=admin+read:notes')).toEqual([wild.token.id]);
    expect(await of(`expiresBefore=${soon.toISOString()}`)).toEqual([]);
    expect(await of('expiresBefore=2999-01-01T00:00:00Z')).toEqual([expiring.token.id]);
    expect(await of('hasExpiry=true')).toEqual([expiring.token.id]);
    expect(await of('hasExpiry=false&state=active')).toEqual([build, deploy, wild].map(({ token }) => token.id));
    expect(await of('state=revoked')).toEqual([revoked.token.id]);
    expect(await of('unusedSince=2999-01-01T00:00:00Z')).toEqual(all);
    expect(await of(`unusedSince=${build.token.createdAt.toISOString()}`)).toEqual([]);
    expect(await of(`createdBefore=${build.token.createdAt.toISOString()}`)).toEqual([]);
  });

  it('searches and revokes imported tokens by the prefix of their format and by their hint', async () => {
    const { hash, raw } = betterAuthKey();
    const row = { owner, name: 'Old', scopes: ['read:notes'] };
    const hint = raw.slice(0, 15) + '|';
    await test.tokens.importHashed([
      { ...row, format: 'better-auth', hash, hint },
      { ...row, format: 'knox', hash: new Uint8Array(64).fill(7), hint: '0a' },
    ]);
    const of = async (query: string) =>
      (await search(`ownerId=${owner.id}&${query}`)).tokens.map(({ prefix }) => prefix);

    expect(await of('prefix=better-auth:')).toEqual(['better-auth:']);
    expect(await of(`hint=${encodeURIComponent(hint)}`)).toEqual(['better-auth:']);
    expect(await of('hint=0a')).toEqual(['knox:']);
    expect(await of('prefix=knox')).toEqual([]);

    const filter = { prefix: 'better-auth:', ownerId: owner.id };
    const answer = await call('POST', '/revoke', { filter, digest: await digestOf(filter) });

    expect([answer.status, answer.body.revoked]).toEqual([200, 1]);
    await expect(test.tokens.verify(raw)).rejects.toMatchObject({ code: 'token_revoked' });
  });

  it('names the same state as lookup', async () => {
    const expiresAt = new Date(test.clock.now().getTime() + 1000);
    const expired = await test.tokens.create(owner, { ...REQUEST, expiresAt });
    test.clock.advance({ seconds: 1 });
    const ended = await make();
    await test.get(CredentialService).lockOut(owner);
    const active = await make();

    for (const { rawToken, token } of [expired, ended, active]) {
      expect(await stateOf(token.id)).toBe((await test.tokens.lookup(rawToken))!.state);
    }
  });

  it.each(['oldest', 'newest'])('pages %s first, without gaps and repetitions', async (order) => {
    const made = [];
    for (let n = 0; n < 5; n++) made.push((await make()).token.id);
    const found: string[] = [];
    let cursor: string | null = '';

    while (cursor !== null) {
      const page = await search(
        `ownerId=${owner.id}&limit=2&order=${order}${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      found.push(...idsOf(page));
      cursor = page.nextCursor;
    }

    expect(order === 'oldest' ? found : found.reverse()).toEqual(made);
  });

  it.each([
    ['limit=0', 'invalid_limit'],
    ['limit=201', 'invalid_limit'],
    ['cursor=x', 'invalid_cursor'],
    ['order=random', 'invalid_filter'],
    ['hint=', 'invalid_filter'],
    ['hint=a+b', 'invalid_filter'],
    ['hint=aaaaaaaaaaaaaaaaa', 'invalid_filter'],
    ['hint=abcd&hint=abce', 'invalid_filter'],
    ['name=', 'invalid_filter'],
    ['name=%00', 'invalid_filter'],
    ['ownerId=', 'invalid_filter'],
    ['prefix=A', 'invalid_filter'],
    ['prefix=:', 'invalid_filter'],
    ['prefix=a:b', 'invalid_filter'],
    ['scopes=A', 'invalid_filter'],
    ['scopes=', 'invalid_filter'],
    ['unusedSince=yesterday', 'invalid_filter'],
    ['expiresBefore=2030-01-31', 'invalid_filter'],
    ['createdBefore=2030-02-31T00:00:00Z', 'invalid_filter'],
    ['hasExpiry=1', 'invalid_filter'],
    ['state=dead', 'invalid_filter'],
    ['owner=1', 'invalid_request'],
  ])('answers 400 to ?%s', async (query, error) => {
    const answer = await call('GET', `?${query}`);

    expect([answer.status, answer.body.error]).toEqual([400, error]);
  });

  it('finds a raw token, and counts no use of it', async () => {
    const { rawToken, token } = await make();

    const found = await call('POST', '/lookup', { rawToken });

    expect([found.status, found.body.token.id, found.body.token.lastUsedAt]).toEqual([200, token.id, null]);
    expect(found.headers.get('cache-control')).toBe('no-store');
    for (const other of [unknownToken(), 'no token', 7, undefined]) {
      const answer = await call('POST', '/lookup', { rawToken: other });
      expect([answer.status, answer.body.error]).toEqual([404, 'not_found']);
    }
  });

  it('revokes a token, with what it made, and records the administrator', async () => {
    const { token } = await make('maker', ['*']);
    const caller = {
      principal: { user: owner, userId: owner.id, method: 'api_token', scopes: ['*'], tokenId: token.id },
    };
    const made = await test.tokens.create(owner, REQUEST, caller as never);

    const answer = await call('DELETE', `/${token.id}`);

    expect(answer.status).toBe(204);
    expect([await stateOf(token.id), await stateOf(made.token.id)]).toEqual(['revoked', 'revoked']);
    expect((await auditRows(test.dataSource, token.id)).at(-1)).toMatchObject({
      action: 'api.token_revoke',
      actor_id: admin.id,
      metadata: { method: 'session', userId: owner.id, name: 'maker' },
    });
    expect((await call('DELETE', '/unknown')).body.error).toBe('not_found');
  });

  /** Of a dry run. */
  const digestOf = async (filter: object) => (await call('POST', '/revoke', { filter, dryRun: true })).body.digest;

  describe('revokes by filter', () => {
    /** Of no tokens. */
    const NONE = createHash('sha256').digest('hex');
    const filter = () => ({ ownerId: owner.id, scopes: ['read:notes'] });
    const revoke = (body: object, headers?: Record<string, string>) => call('POST', '/revoke', body, headers);

    it('counts in a dry run, and changes nothing', async () => {
      const [first] = [await make(), await make(), await make('Other', ['admin'])];

      const answer = await revoke({ filter: filter(), dryRun: true });

      expect([answer.status, answer.body.count]).toEqual([200, 2]);
      expect(answer.body.sample.map(({ id }) => id)).toContain(first.token.id);
      expect(await stateOf(first.token.id)).toBe('active');
    });

    it('revokes what the dry run has counted, with an audit row for each, and leaves the others', async () => {
      const tokens = [await make(), await make()];
      const other = await make('Other', ['admin']);
      const foreign = await test.tokens.create(await test.addUser('x@example.com'), REQUEST);

      const answer = await revoke({ filter: filter(), digest: await digestOf(filter()) });

      expect([answer.status, answer.body]).toEqual([200, { revoked: 2, remaining: 0, digest: NONE }]);
      for (const { rawToken, token } of tokens) {
        expect((await fetch(`${test.url}/notes`, { headers: bearer(rawToken) })).status).toBe(401);
        expect(await auditActions(test.dataSource, token.id)).toEqual(['api.token_create', 'api.token_revoke']);
        expect((await auditRows(test.dataSource, token.id)).at(-1)!.actor_id).toBe(admin.id);
      }
      expect([await stateOf(other.token.id), await stateOf(foreign.token.id)]).toEqual(['active', 'active']);
      expect((await revoke({ filter: filter(), digest: NONE })).body).toEqual({
        revoked: 0,
        remaining: 0,
        digest: NONE,
      });
    });

    it('revokes what the tokens made, to any depth', async () => {
      const { token } = await make('maker', ['*']);
      const caller = {
        principal: { user: owner, userId: owner.id, method: 'api_token', scopes: ['*'], tokenId: token.id },
      };
      const made = await test.tokens.create(owner, { name: 'made', scopes: ['admin'] }, caller as never);

      const filter = { ownerId: owner.id, name: 'maker' };
      await revoke({ filter, digest: await digestOf(filter) });

      expect(await stateOf(made.token.id)).toBe('revoked');
    });

    it('answers 409 when others match, also as many others, and revokes nothing', async () => {
      const { token } = await make();
      const digest = await digestOf(filter());
      await test.tokens.revoke(token.id);
      const other = await make();

      const answer = await revoke({ filter: filter(), digest });

      expect([answer.status, answer.body.error]).toEqual([409, 'digest_mismatch']);
      expect(await stateOf(other.token.id)).toBe('active');
    });

    it('revokes the successor of a token that was rotated after the dry run', async () => {
      const { token } = await make();
      const digest = await digestOf(filter());
      const rotated = await test.tokens.rotate(token.id, { graceSeconds: 60 });

      const answer = await revoke({ filter: filter(), digest });

      expect([answer.status, answer.body.revoked]).toEqual([200, 2]);
      expect([await stateOf(token.id), await stateOf(rotated.token.id)]).toEqual(['revoked', 'revoked']);
    });

    it.each([
      [{}, 'invalid_request'],
      [{ filter: {}, dryRun: true }, 'invalid_filter'],
      [{ filter: { state: 'active' }, dryRun: true }, 'invalid_filter'],
      [{ filter: { state: 'active' }, digest: 'x' }, 'invalid_filter'],
      [{ filter: { name: 'CI' } }, 'invalid_request'],
      [{ filter: { name: 'CI' }, dryRun: false }, 'invalid_request'],
      [{ filter: { name: 'CI' }, dryRun: 'true' }, 'invalid_request'],
      [{ filter: { name: 'CI' }, dryRun: 'true', digest: 'x' }, 'invalid_request'],
      [{ filter: { name: 'CI' }, dryRun: true, digest: 'x' }, 'invalid_request'],
      [{ filter: { name: 'CI' }, digest: 1 }, 'invalid_request'],
      [{ filter: { name: 'CI' }, digest: null }, 'invalid_request'],
      [{ filter: { owner: 'x' }, dryRun: true }, 'invalid_request'],
      [{ filter: { name: null }, dryRun: true }, 'invalid_filter'],
      [{ filter: 'CI', dryRun: true }, 'invalid_request'],
      [{ ownerId: 'x', dryRun: true }, 'invalid_request'],
    ])('answers 400 to %j', async (body, error) => {
      const { token } = await make();

      const answer = await revoke(body);

      expect([answer.status, answer.body.error]).toEqual([400, error]);
      expect(await stateOf(token.id)).toBe('active');
    });

    it('revokes nothing for a token of an administrator that lacks a scope of one of the tokens', async () => {
      const [able, unable] = [await make(), await make('Other', ['read:notes', 'write:notes'])];
      const scopes = ['api_tokens:admin', 'read:notes'];
      const { rawToken } = await test.tokens.create(admin, { name: 'Janitor', scopes });

      const all = await revoke({ filter: filter(), digest: await digestOf(filter()) }, bearer(rawToken));
      const one = await call('DELETE', `/${unable.token.id}`, undefined, bearer(rawToken));

      expect([all.status, all.body.error, all.body.missing]).toEqual([403, 'insufficient_scope', ['write:notes']]);
      expect([one.status, one.body.missing]).toEqual([403, ['write:notes']]);
      expect([await stateOf(able.token.id), await stateOf(unable.token.id)]).toEqual(['active', 'active']);
      const own = { ownerId: owner.id, name: 'CI' };
      const digest = await digestOf(own);
      expect((await revoke({ filter: own, digest }, bearer(rawToken))).body.revoked).toBe(1);
    });
  });

  describe('asks for a step-up', () => {
    const stale = () => ({ ...inSession(admin), 'x-fresh': 'no' });

    it('before it revokes, and not before it reads', async () => {
      const { rawToken, token } = await make();
      const filter = { ownerId: owner.id };

      const destructive = [
        await call('DELETE', `/${token.id}`, undefined, stale()),
        await call('POST', '/revoke', { filter, digest: await digestOf(filter) }, stale()),
      ];
      const reads = [
        await call('GET', '', undefined, stale()),
        await call('GET', `/${token.id}`, undefined, stale()),
        await call('POST', '/lookup', { rawToken }, stale()),
        await call('POST', '/revoke', { filter, dryRun: true }, stale()),
      ];

      for (const { status, body } of destructive) expect([status, body.error]).toEqual([403, 'step_up_required']);
      expect(reads.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      expect(await stateOf(token.id)).toBe('active');
    });

    it.each([undefined, 'yes', 1, {}, Promise.resolve(false)])('and refuses the answer %p', async (answer) => {
      const { token } = await make();
      stepUp = () => answer;

      expect((await call('DELETE', `/${token.id}`, undefined, stale())).body.error).toBe('step_up_required');
    });

    it('and passes the refusal of the application on', async () => {
      const { token } = await make();
      stepUp = () => {
        throw new ForbiddenException({ statusCode: 403, error: 'passkey_required', message: 'Use your passkey.' });
      };

      const answer = await call('DELETE', `/${token.id}`, undefined, stale());

      expect([answer.status, answer.body.error]).toEqual([403, 'passkey_required']);
      expect(await stateOf(token.id)).toBe('active');
    });
  });

  it('lists its scope among those that a token can have', async () => {
    expect((await TokenClient.inSession(test).send('GET', '/api/scopes')).body.scopes).toContain('api_tokens:admin');
  });
});
