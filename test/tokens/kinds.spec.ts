import { Controller, Get, Post } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type ApiToken,
  type ApiTokenOptions,
  type Caller,
  CurrentCaller,
  CurrentPrincipal,
  ownerRef,
  type OwnerReference,
  type Principal,
  RequireKind,
  SigraJwtService,
} from 'nestjs-sigra';
import { auditRows } from '../support/audit-rows.js';
import { FORMATS, sanctumToken } from '../support/foreign-tokens.js';
import { OAUTH_CONTROLLERS, type OAuthApp, startOAuthApp, tokensIn } from '../support/oauth-app.js';
import { QueryLog } from '../support/query-log.js';
import { refusalOf } from '../support/refusal.js';
import { startTestApp, type TestApp, type User } from '../support/test-app.js';
import { TokenClient } from '../support/token-client.js';

const HOUR = 3600;
const SCOPES = ['read:notes', 'write:notes', 'admin'];
const KINDS = {
  live: { prefix: 'sk_live_', acceptPrefixes: ['sigra_sk_'] },
  test: { prefix: 'sk_test_' },
  ci: {
    prefix: 'ci_',
    maxTtl: 24 * HOUR,
    defaultTtl: HOUR,
    requireExpiry: true,
    scopes: ['read:*', 'api_tokens:write'],
  },
} satisfies ApiTokenOptions['kinds'];
const REQUEST = { name: 'CI', scopes: ['read:notes'] };

@Controller('kinds')
class KindController {
  constructor(private readonly jwt: SigraJwtService) {}

  @Get()
  kind(@CurrentPrincipal() { method, tokenKind, scopes }: Principal) {
    return { method, tokenKind, scopes };
  }

  @Get('live')
  @RequireKind('live')
  live() {
    return { ok: true };
  }

  /** Begins a refresh family with the credential of the caller. */
  @Post('families')
  begin(@CurrentPrincipal() { userId, scopes }: Principal, @CurrentCaller() caller: Caller) {
    return this.jwt.generateTokens(userId, [...scopes], caller);
  }
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown> & { readonly token: ApiToken; readonly rawToken: string };
}

/** Boots an application with these kinds, and the routes that the tests call. */
async function start(apiTokens: ApiTokenOptions, first?: OAuthApp): Promise<OAuthApp> {
  const options = {
    sigra: { controllers: OAUTH_CONTROLLERS, apiTokens: { scopes: SCOPES, ...apiTokens } },
    controllers: [KindController],
    ...(first && { databaseUrl: first.databaseUrl, clock: first.clock }),
  };
  return startOAuthApp({}, options);
}

async function send(
  test: OAuthApp,
  method: string,
  path: string,
  credential: string | Record<string, string>,
  body?: object,
): Promise<Answer> {
  const authorization = typeof credential === 'string' ? { authorization: `Bearer ${credential}` } : credential;
  const answer = await fetch(test.url + path, {
    method,
    headers: { ...authorization, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}

describe('kinds of API tokens', () => {
  let before: OAuthApp;
  let test: OAuthApp;
  let old: string;
  const create = (kind: string, more: object = {}) => test.tokens.create(test.user, { ...REQUEST, kind, ...more });
  const after = (seconds: number) => new Date(test.clock.now().getTime() + seconds * 1000);
  const inPerson = () => ({ 'x-session-user': test.user.id, origin: test.url });

  beforeAll(async () => {
    before = await start({});
    old = (await before.tokens.create(before.user, { ...REQUEST, scopes: ['*'] })).rawToken;
    test = await start({ kinds: KINDS }, before);
    Object.assign(test, { user: before.user });
  });
  afterAll(async () => {
    await test.close();
    await before.close();
  });

  it('have prefixes, by which services, lists and principals know them', async () => {
    const { rawToken, token } = await create('test');

    const verified = await test.tokens.verify(rawToken);
    const found = await test.tokens.lookup(rawToken);
    const { tokens } = await test.tokens.listActive(test.user, { limit: 200 });
    const principal = await send(test, 'GET', '/kinds', rawToken);

    expect([rawToken, token]).toMatchObject([expect.stringMatching(/^sk_test_/), { kind: 'test', prefix: 'sk_test_' }]);
    expect([verified, found?.token, tokens.find(({ id }) => id === token.id)]).toMatchObject(
      Array(3).fill({ kind: 'test' }),
    );
    expect(principal.body).toMatchObject({ method: 'api_token', tokenKind: 'test' });
  });

  it('are chosen by callers of the controller, and shown in its answers', async () => {
    const created = await send(test, 'POST', '/api/tokens', inPerson(), { ...REQUEST, kind: 'live' });
    const listed = await send(test, 'GET', '/api/tokens?limit=200', inPerson());
    const changed = await send(test, 'PATCH', `/api/tokens/${created.body.token.id}`, inPerson(), { kind: 'test' });

    expect([created.status, created.body.token.kind]).toEqual([201, 'live']);
    expect(listed.body.tokens).toContainEqual(created.body.token);
    expect([changed.status, changed.body.error]).toEqual([400, 'invalid_request']);
  });

  it.each([
    [undefined, 'kind_required'],
    [null, 'kind_required'],
    ['prod', 'invalid_kind'],
    ['LIVE', 'invalid_kind'],
    ['', 'invalid_kind'],
    ['constructor', 'invalid_kind'],
    [['live'], 'invalid_kind'],
    [{}, 'invalid_kind'],
  ])('refuse the kind %p', async (kind, code) => {
    const refused = await send(test, 'POST', '/api/tokens', inPerson(), { ...REQUEST, kind });

    expect([refused.status, refused.body.error]).toEqual([400, code]);
  });

  it('have audit rows that name them', async () => {
    const { token } = await create('live');
    await test.tokens.update(token.id, { name: 'Deploy' });
    await test.tokens.rotate(token.id);

    expect((await auditRows(test.dataSource, token.id)).map(({ action, metadata }) => [action, metadata.kind])).toEqual(
      [
        ['api.token_create', 'live'],
        ['api.token_update', 'live'],
        ['api.token_rotate', 'live'],
      ],
    );
  });

  it('limit scopes, for new tokens and for changes', async () => {
    const wider = { scopes: ['read:notes', 'write:notes'] };
    const { token } = await create('ci', { scopes: ['read:*'] });

    expect(token.scopes).toEqual(['read:*']);
    expect(await refusalOf(create('ci', wider))).toBe('insufficient_scope');
    expect(await refusalOf(create('ci', { scopes: ['*'] }))).toBe('insufficient_scope');
    expect(await refusalOf(test.tokens.update(token.id, wider))).toBe('insufficient_scope');
    expect((await test.tokens.update(token.id, { scopes: ['read:notes'] })).scopes).toEqual(['read:notes']);
  });

  it('have lifetimes of their own, also for changes and rotations', async () => {
    const { token } = await create('ci');
    const live = await create('live');

    expect([token.expiresAt, live.token.expiresAt]).toEqual([after(HOUR), null]);
    expect(await refusalOf(create('ci', { expiresAt: null }))).toBe('expiry_required');
    expect(await refusalOf(create('ci', { expiresAt: after(24 * HOUR + 1) }))).toBe('ttl_exceeded');
    expect(await refusalOf(test.tokens.update(token.id, { expiresAt: after(48 * HOUR) }))).toBe('ttl_exceeded');
    expect(await refusalOf(test.tokens.rotate(token.id, { expiresAt: after(48 * HOUR) }))).toBe('ttl_exceeded');
    expect((await test.tokens.rotate(token.id)).token).toMatchObject({ kind: 'ci', expiresAt: after(HOUR) });
    expect((await test.tokens.update(live.token.id, { expiresAt: after(99 * 24 * HOUR) })).kind).toBe('live');
  });

  it('accept earlier prefixes, which rotation replaces', async () => {
    const verified = await test.tokens.verify(old);
    const { rawToken, token } = await test.tokens.rotate(verified.id);
    old = rawToken;

    expect(verified).toMatchObject({ kind: 'live', prefix: 'sigra_sk_' });
    expect([rawToken, token.kind]).toEqual([expect.stringMatching(/^sk_live_/), 'live']);
  });

  it('do not mix: a secret with the prefix of another kind is malformed, and asks nothing of the database', async () => {
    const { rawToken } = await create('test');
    const log = QueryLog.of(test.dataSource);

    for (const forged of [rawToken.replace('sk_test_', 'sk_live_'), rawToken.replace('sk_test_', 'gone_'), 'ci_']) {
      expect(await refusalOf(test.tokens.verify(forged))).toBe('invalid_token');
      expect(await test.tokens.lookup(forged)).toBeUndefined();
    }

    expect(log.queries).toEqual([]);
  });

  it('are all found by the pattern of the application', async () => {
    const pattern = test.tokens.tokenPattern();

    for (const kind of ['live', 'test', 'ci']) {
      const { rawToken } = await create(kind);
      expect(pattern.exec(`key=${rawToken};`)?.[0]).toBe(rawToken);
    }
  });

  it('are part of a request with an idempotency key', async () => {
    const idempotencyKey = 'kinds-0123456789abcdef';
    const issued = await create('live', { idempotencyKey });

    expect(await create('live', { idempotencyKey })).toEqual(issued);
    expect(await refusalOf(create('test', { idempotencyKey }))).toBe('idempotency_key_reused');
  });

  it('authenticate OAuth clients, are introspected, and end at the revocation endpoint', async () => {
    const { rawToken, token } = await create('live', { scopes: ['read:notes', 'oauth:introspect'] });
    const ci = await create('ci');
    const client = { client_id: token.id, client_secret: rawToken };

    const granted = await test.post('token', { ...client, grant_type: 'client_credentials' });
    const active = await test.post('introspect', { ...client, token: ci.rawToken });
    await test.post('revoke', { token: ci.rawToken });

    expect([granted.status, active.body]).toEqual([200, expect.objectContaining({ active: true, jti: ci.token.id })]);
    expect(await refusalOf(test.tokens.verify(ci.rawToken))).toBe('token_revoked');
  });

  describe('of a token that makes others', () => {
    const MAKER = { scopes: ['read:notes', 'api_tokens:write'] };
    const make = (credential: string, kind: string) =>
      send(test, 'POST', '/api/tokens', credential, { ...REQUEST, kind });
    const outcomeOf = ({ status, body }: Answer) => [status, body.error ?? body.token.kind];
    const NOT_ALLOWED = [403, 'kind_not_allowed'];

    it('are its own only', async () => {
      const { rawToken } = await create('ci', MAKER);

      expect(outcomeOf(await make(rawToken, 'ci'))).toEqual([201, 'ci']);
      expect(outcomeOf(await make(rawToken, 'live'))).toEqual(NOT_ALLOWED);
    });

    it('are its own only through a JWT of client_credentials, which has no kind itself', async () => {
      const { rawToken, token } = await create('ci', MAKER);
      const form = { grant_type: 'client_credentials', client_id: token.id, client_secret: rawToken };
      const jwt = tokensIn(await test.post('token', form)).access_token;

      expect(outcomeOf(await make(jwt, 'live'))).toEqual(NOT_ALLOWED);
      expect(outcomeOf(await make(jwt, 'ci'))).toEqual([201, 'ci']);
      expect(await send(test, 'GET', '/kinds', jwt)).toMatchObject({ body: { method: 'jwt' } });
      expect((await send(test, 'GET', '/kinds', jwt)).body).not.toHaveProperty('tokenKind');
    });

    it('are its own only through refresh families that descend from it, to any depth', async () => {
      const { rawToken } = await create('ci', MAKER);
      const begin = async (credential: string) => {
        const { body } = await send(test, 'POST', '/kinds/families', credential);
        return body as unknown as { readonly accessToken: string };
      };
      const child = await begin(rawToken);
      const grandchild = await begin(child.accessToken);

      for (const { accessToken } of [child, grandchild]) {
        expect(outcomeOf(await make(accessToken, 'live'))).toEqual(NOT_ALLOWED);
      }
      expect(outcomeOf(await make(grandchild.accessToken, 'ci'))).toEqual([201, 'ci']);
    });

    it('are its own only after its rotation', async () => {
      const { token } = await create('ci', MAKER);
      const { rawToken } = await test.tokens.rotate(token.id, { graceSeconds: 60 });

      expect(outcomeOf(await make(rawToken, 'live'))).toEqual(NOT_ALLOWED);
      expect(outcomeOf(await make(rawToken, 'ci'))).toEqual([201, 'ci']);
    });

    it('are its own only: it cannot get a token of another kind by rotating it', async () => {
      const { rawToken } = await create('ci', MAKER);
      const live = await create('live');
      const rotate = (id: string) => send(test, 'POST', `/api/tokens/${id}/rotate`, rawToken, {});

      expect(outcomeOf(await rotate(live.token.id))).toEqual(NOT_ALLOWED);
      expect((await test.tokens.verify(live.rawToken)).replacedBy).toBeNull();
      expect(outcomeOf(await rotate((await create('ci')).token.id))).toEqual([201, 'ci']);
    });

    it('are any kind for a session, and for the JWT of a sign-in', async () => {
      const { accessToken } = await test.signIn('read:notes', 'api_tokens:write');

      for (const kind of ['live', 'ci']) {
        expect(outcomeOf(await make(accessToken, kind))).toEqual([201, kind]);
        const created = await send(test, 'POST', '/api/tokens', inPerson(), { ...REQUEST, kind });
        expect(outcomeOf(created)).toEqual([201, kind]);
      }
    });
  });
});

describe('kinds that are configured anew', () => {
  let first: OAuthApp;
  const nodes: OAuthApp[] = [];
  const restart = async (apiTokens: ApiTokenOptions) => {
    const node = await start(apiTokens, first);
    nodes.push(node);
    return node;
  };
  const create = (kind: string, more: object = {}) => first.tokens.create(first.user, { ...REQUEST, kind, ...more });

  beforeAll(async () => {
    first = await start({ kinds: { live: { prefix: 'sk_live_' }, ci: { prefix: 'ci_' } } });
  });
  afterAll(async () => {
    for (const node of nodes) await node.close();
    await first.close();
  });

  it('keep their tokens under another name', async () => {
    const { rawToken } = await create('ci');
    const node = await restart({ kinds: { live: { prefix: 'sk_live_' }, robots: { prefix: 'ci_' } } });

    expect((await node.tokens.verify(rawToken)).kind).toBe('robots');
  });

  it('end their tokens when their prefix is removed: without a query, and beyond rotation', async () => {
    const { rawToken, token } = await create('ci');
    const node = await restart({ kinds: { live: { prefix: 'sk_live_' } } });
    const log = QueryLog.of(node.dataSource);

    expect(await refusalOf(node.tokens.verify(rawToken))).toBe('invalid_token');
    expect((await send(node, 'GET', '/kinds', rawToken)).status).toBe(401);
    expect(log.queries).toEqual([]);
    expect(await refusalOf(node.tokens.rotate(token.id))).toBe('invalid_kind');
    expect(await node.tokens.revoke(token.id)).toMatchObject({ kind: null, revokeReason: 'revoked' });
  });

  it('limit what earlier tokens can do, also as OAuth clients', async () => {
    const { rawToken, token } = await create('ci', { scopes: ['*'] });
    const kinds = { live: { prefix: 'sk_live_' }, ci: { prefix: 'ci_', scopes: ['read:notes'] } };
    const node = await restart({ kinds });
    const form = { grant_type: 'client_credentials', client_id: token.id, client_secret: rawToken };

    expect((await node.tokens.verify(rawToken)).scopes).toEqual(['read:notes']);
    expect((await send(node, 'GET', '/kinds', rawToken)).body.scopes).toEqual(['read:notes']);
    expect(tokensIn(await node.post('token', form)).scope).toBe('read:notes');
  });

  it('apply their lifetimes to earlier tokens with enforceOnExisting, and to no other kind', async () => {
    const [ci, live, short] = [
      await create('ci'),
      await create('live'),
      await create('ci', { expiresAt: new Date(first.clock.now().getTime() + 60_000) }),
    ];
    const kinds = { live: { prefix: 'sk_live_' }, ci: { prefix: 'ci_', maxTtl: HOUR } };
    const node = await restart({ kinds, enforceOnExisting: true });

    const { tokens } = await node.tokens.listOutsideRules({ limit: 200 });
    const listed = tokens.map(({ id }) => id);
    node.clock.advance({ hours: 1 });

    expect(listed).toContain(ci.token.id);
    expect(listed).not.toContain(live.token.id);
    expect(listed).not.toContain(short.token.id);
    expect(await refusalOf(node.tokens.verify(ci.rawToken))).toBe('token_expired');
    expect((await node.tokens.verify(live.rawToken)).id).toBe(live.token.id);
  });

  it('need no name when there is one, and have none without the option', async () => {
    const one = await restart({ kinds: { live: { prefix: 'sk_live_' } } });
    const none = await restart({ prefix: 'sk_live_' });

    const named = await one.tokens.create(first.user, REQUEST);
    const unnamed = await none.tokens.create(first.user, REQUEST);
    const principal = await send(none, 'GET', '/kinds', unnamed.rawToken);
    const [row] = await auditRows(none.dataSource, unnamed.token.id);

    expect([named.token.kind, unnamed.token.kind]).toEqual(['live', null]);
    expect(principal.body).not.toHaveProperty('tokenKind');
    expect(row?.metadata).not.toHaveProperty('kind');
    expect(await refusalOf(none.tokens.create(first.user, { ...REQUEST, kind: 'live' }))).toBe('invalid_kind');
  });
});

describe('kinds for some types of owners', () => {
  const organization = ownerRef('organization', 'acme');
  const owners = {
    organization: { provider: { findByIds: (ids: readonly string[]) => Promise.resolve(ids.map((id) => ({ id }))) } },
  };
  const apiTokens = {
    scopes: SCOPES,
    kinds: {
      live: { prefix: 'sk_live_' },
      ci: { prefix: 'ci_', ownerTypes: ['organization'] },
      personal: { prefix: 'me_', ownerTypes: ['user'] },
    },
    foreignFormats: { sanctum: { ...FORMATS.sanctum, kind: 'ci' } },
  };
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({ sigra: { owners, apiTokens: apiTokens } });
  });
  afterAll(() => test.close());

  it('make tokens for these only, and others count as unknown', async () => {
    const make = (owner: OwnerReference | User, kind?: string) => test.tokens.create(owner, { ...REQUEST, kind });

    expect((await make(organization, 'ci')).token.kind).toBe('ci');
    expect((await make(test.user, 'personal')).token.kind).toBe('personal');
    expect((await make(organization, 'live')).token.kind).toBe('live');
    for (const [owner, kind] of [
      [organization, 'personal'],
      [test.user, 'ci'],
    ] as const) {
      expect(await refusalOf(make(owner, kind))).toBe('invalid_kind');
    }
    expect(await refusalOf(make(test.user))).toBe('kind_required');
  });

  it('say so in the list of scopes, for forms', async () => {
    const { rawToken } = await test.tokens.create(test.user, { ...REQUEST, kind: 'personal' });

    const { body } = await TokenClient.withToken(test, rawToken).send('GET', '/api/scopes');

    expect(body.kinds).toMatchObject([
      { name: 'live', ownerTypes: null },
      { name: 'ci', ownerTypes: ['organization'] },
      { name: 'personal', ownerTypes: ['user'] },
    ]);
  });

  it('import tokens for these only', async () => {
    const row = { format: 'sanctum', hash: sanctumToken(1).hash, name: 'CI', scopes: ['read:notes'] };

    expect(await refusalOf(test.tokens.importHashed([{ ...row, owner: test.user }]))).toBe('invalid_import');
    expect(await test.tokens.importHashed([{ ...row, owner: organization }])).toMatchObject({ imported: 1 });
  });

  it('leave earlier tokens of others valid, and do not rotate them', async () => {
    const before = await startTestApp({
      databaseUrl: test.databaseUrl,
      sigra: { owners, apiTokens: { scopes: SCOPES, kinds: { ci: { prefix: 'ci_' } } } },
    });
    const { rawToken, token } = await before.tokens.create(test.user, REQUEST);
    await before.close();

    expect(await test.tokens.verify(rawToken)).toMatchObject({ id: token.id });
    expect(await refusalOf(test.tokens.rotate(token.id))).toBe('invalid_kind');
  });

  it('are refused at boot with a type that does not exist', async () => {
    for (const ownerTypes of [['team'], [], 'user', [1]]) {
      const kinds = { ci: { prefix: 'ci_', ownerTypes: ownerTypes as string[] } };
      await expect(startTestApp({ sigra: { owners, apiTokens: { scopes: SCOPES, kinds } } })).rejects.toThrow(
        'sigra: apiTokens.kinds.ci.ownerTypes',
      );
    }
  });
});
