import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ApiTokenAdminService,
  ApiTokenService,
  CredentialService,
  SigraJwtService,
  type TokenPair,
} from 'nestjs-sigra';
import { LeakScanner } from '../support/leak-scanner.js';
import { OAUTH_CONTROLLERS, type OAuthApp, startOAuthApp } from '../support/oauth-app.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import type { TestApp, User } from '../support/test-app.js';

const LEASE_MS = 4000;
const SCOPES = ['read:notes'];
const GONE = randomUUID();

interface Made {
  readonly user: User;
  readonly tokenId: string;
  readonly rawToken: string;
  readonly pair: TokenPair;
}

type Call = (app: JwtApp, made: Made) => Promise<unknown>;

/** Every public method of a service: how to call it, and whether it waits; or why it is not called. */
type Methods = Readonly<Record<string, readonly [waits: boolean, call: Call] | string>>;

const READS = 'reads only';

const METHODS: readonly (readonly [service: { readonly name: string; readonly prototype: object }, Methods])[] = [
  [
    ApiTokenService,
    {
      create: [false, ({ tokens }, { user }) => tokens.create(user, { name: 'CI', scopes: SCOPES })],
      importHashed: [false, ({ tokens }) => tokens.importHashed([])],
      verify: [false, ({ tokens }, { rawToken }) => tokens.verify(rawToken)],
      lookup: READS,
      revoke: [true, ({ tokens }, { tokenId }) => tokens.revoke(tokenId)],
      lockOut: [true, ({ tokens }, { tokenId }) => tokens.lockOut(tokenId)],
      revokeForUser: [true, ({ tokens }, { user, tokenId }) => tokens.revokeForUser(user, tokenId)],
      revokeAll: [true, ({ tokens }, { user }) => tokens.revokeAll(user)],
      update: [true, ({ tokens }, { tokenId }) => tokens.update(tokenId, { expiresAt: later(60) })],
      updateForUser: [
        true,
        ({ tokens }, { user, tokenId }) => tokens.updateForUser(user, tokenId, { allowedIps: ['192.0.2.1'] }),
      ],
      rotate: [true, ({ tokens }, { tokenId }) => tokens.rotate(tokenId)],
      rotateForUser: [
        true,
        ({ tokens }, { user, tokenId }) => tokens.rotateForUser(user, tokenId, { graceSeconds: 60 }),
      ],
      listActive: READS,
      listOutsideRules: READS,
      usage: READS,
      usageForUser: READS,
      listScopes: READS,
      scopeCatalogue: READS,
      tokenPattern: READS,
      can: READS,
    },
  ],
  [
    ApiTokenAdminService,
    {
      search: READS,
      find: READS,
      lookup: READS,
      previewMatching: READS,
      revoke: [true, (app, { tokenId }) => app.get(ApiTokenAdminService).revoke(tokenId)],
      revokeMatching: [
        true,
        async (app, { user }) => {
          const [admin, filter] = [app.get(ApiTokenAdminService), { ownerId: user.id }];
          return admin.revokeMatching(filter, (await admin.previewMatching(filter)).digest);
        },
      ],
    },
  ],
  [
    SigraJwtService,
    {
      generateTokens: [false, ({ jwt }, { user }) => jwt.generateTokens(user, SCOPES)],
      verifyAccess: [false, ({ jwt }, { pair }) => jwt.verifyAccess(pair.accessToken)],
      refresh: [false, ({ jwt }, { pair }) => jwt.refresh(pair.refreshToken)],
      revokeRefresh: [true, ({ jwt }, { pair }) => jwt.revokeRefresh(pair.refreshToken)],
      revokeFamily: [true, ({ jwt }, { user, pair }) => jwt.revokeFamily(user, familyIdOf(pair))],
      lockOutFamily: [true, ({ jwt }, { user, pair }) => jwt.lockOutFamily(user, familyIdOf(pair))],
      revokeAllRefresh: [true, ({ jwt }, { user }) => jwt.revokeAllRefresh(user)],
      signOutEverywhere: [true, ({ jwt }, { user }) => jwt.signOutEverywhere(user)],
      listFamilies: READS,
    },
  ],
  [
    CredentialService,
    {
      lockOut: [true, (app, { user }) => app.get(CredentialService).lockOut(user)],
      forget: [true, (app, { user }) => app.get(CredentialService).forget(user)],
      revokeMadeWithJwts: 'calls lockOut() for each credential',
      settled: [true, (app) => app.get(CredentialService).settled()],
    },
  ],
];

const CALLS = METHODS.flatMap(([service, methods]) =>
  Object.entries(methods).flatMap(([name, entry]) =>
    typeof entry === 'string' ? [] : [{ name: `${service.name}.${name}`, waits: entry[0], call: entry[1] }],
  ),
);

describe('With a lease, a call that ends or narrows something', () => {
  let app: JwtApp;

  beforeAll(async () => {
    app = await startJwtApp({ maxFamiliesPerOwner: 2 }, { sigra: { replicas: { leaseMilliseconds: LEASE_MS } } });
  }, 60_000);
  afterAll(() => app.close());

  it.each(METHODS)('is classified, whatever method it is: %p', ({ prototype, name }, methods) => {
    const own = Object.getOwnPropertyNames(prototype).filter(
      (each) => each !== 'constructor' && !PRIVATE.includes(`${name}.${each}`),
    );

    expect(Object.keys(methods).sort()).toEqual(own.sort());
  });

  it('resolves one lease after its commit, and no other call waits', async () => {
    const all = await Promise.all(CALLS.map(async (each) => ({ ...each, made: await make(app) })));

    const durations = await Promise.all(
      all.map(async ({ name, waits, call, made }) => ({ name, waits, duration: await timeOf(call(app, made)) })),
    );

    const wrong = durations.filter(({ waits, duration }) => waits !== duration > LEASE_MS);
    expect(wrong).toEqual([]);
  }, 120_000);

  it('waits also when another call has made the change', async () => {
    const [one, other] = [await make(app), await make(app)];
    const first = Promise.all([
      app.tokens.revoke(one.tokenId),
      app.jwt.revokeRefresh(one.pair.refreshToken),
      app.tokens.rotate(other.tokenId, { idempotencyKey: 'a-key-of-one-rotation' }),
    ]);
    // Each has committed, and waits.
    const admin = app.get(ApiTokenAdminService);
    await eventuallyRevoked(app, one.tokenId, other.tokenId);
    const { digest: digestOfNone } = await admin.previewMatching({ ownerId: one.user.id });

    const durations = await Promise.all([
      timeOf(app.tokens.revoke(one.tokenId)),
      timeOf(app.jwt.revokeRefresh(one.pair.refreshToken)),
      timeOf(admin.revokeMatching({ ownerId: one.user.id }, digestOfNone)),
      timeOf(app.tokens.rotate(other.tokenId, { idempotencyKey: 'a-key-of-one-rotation' })),
    ]);
    await first;

    expect(Math.min(...durations)).toBeGreaterThan(LEASE_MS);
  }, 120_000);

  it('waits when a refresh detects reuse, and when a sign-in ends the oldest device', async () => {
    const { user, pair } = await make(app);
    await app.jwt.refresh(pair.refreshToken);
    const eviction = await make(app);
    await app.jwt.generateTokens(eviction.user, SCOPES);

    const durations = await Promise.all([
      timeOf(app.jwt.refresh(pair.refreshToken).catch(() => undefined)),
      timeOf(app.jwt.generateTokens(eviction.user, SCOPES)),
    ]);

    expect(Math.min(...durations)).toBeGreaterThan(LEASE_MS);
    expect(user.id).not.toBe(GONE);
  }, 120_000);
});

describe('With a lease, a request that ends something', () => {
  let app: OAuthApp;
  let scanner: LeakScanner;

  beforeAll(async () => {
    scanner = await LeakScanner.start();
    const controllers = { ...OAUTH_CONTROLLERS, leaks: 'leaks' };
    const replicas = { leaseMilliseconds: LEASE_MS };
    app = await startOAuthApp({}, { sigra: { controllers, replicas, leaks: { keysUrl: scanner.keysUrl } } });
  }, 60_000);
  afterAll(async () => {
    await app.close();
    await scanner.close();
  });

  const requests: readonly (readonly [string, (made: Made) => Promise<{ readonly status: number }>])[] = [
    ['POST /oauth/revoke, an API token', ({ rawToken }) => app.post('revoke', { token: rawToken })],
    ['POST /oauth/revoke, a refresh token', ({ pair }) => app.post('revoke', { token: pair.refreshToken })],
    [
      'POST /leaks',
      ({ rawToken }) => {
        const entry = { token: rawToken, type: 'acme_token', url: 'https://example.com', source: 'content' };
        return scanner.report(`${app.url}/leaks`, [entry]);
      },
    ],
    [
      'DELETE /api/tokens',
      ({ user }) => {
        const headers = { 'x-session-user': user.id, 'sec-fetch-site': 'same-origin' };
        return fetch(`${app.url}/api/tokens`, { method: 'DELETE', headers });
      },
    ],
  ];

  it('is answered when the lease is over', async () => {
    const all = await Promise.all(requests.map(async ([name, send]) => ({ name, send, made: await make(app) })));

    const answers = await Promise.all(
      all.map(async ({ name, send, made }) => {
        let status = 0;
        const duration = await timeOf(send(made).then((answer) => (status = answer.status)));
        return { name, status, hasWaited: duration > LEASE_MS };
      }),
    );

    expect(answers).toEqual(requests.map(([name]) => ({ name, status: 200, hasWaited: true })));
  }, 120_000);
});

describe('Without replicas', () => {
  it('resolves settled() at once', async () => {
    const app = await startJwtApp();
    try {
      expect(await timeOf(app.get(CredentialService).settled())).toBeLessThan(LEASE_MS / 4);
    } finally {
      await app.close();
    }
  }, 60_000);
});

/** The compiler keeps them from callers. */
const PRIVATE = [
  'ApiTokenAdminService.names',
  'ApiTokenAdminService.left',
  'CredentialService.eventsSince',
  'CredentialService.end',
];

async function make(app: JwtApp): Promise<Made> {
  const user = await app.addUser('grace@example.com');
  const { rawToken, token } = await app.tokens.create(user, { name: 'CI', scopes: SCOPES });
  return { user, tokenId: token.id, rawToken, pair: await app.jwt.generateTokens(user, SCOPES) };
}

async function eventuallyRevoked({ dataSource }: TestApp, ...ids: readonly string[]): Promise<void> {
  for (let left = ids.length; left > 0;) {
    const rows: unknown[] = await dataSource.query(
      'SELECT FROM sigra_api_tokens WHERE id = ANY ($1::uuid[]) AND revoked_at IS NULL',
      [ids],
    );
    left = rows.length;
  }
}

async function timeOf(call: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await call;
  return performance.now() - start;
}

function later(minutes: number): Date {
  return new Date(Date.now() + minutes * 60_000);
}
