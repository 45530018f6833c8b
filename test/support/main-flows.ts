import {
  ApiTokenAdminService,
  AuditService,
  CredentialService,
  type IssuedApiToken,
  SigraError,
  TokenCleanupService,
} from 'nestjs-sigra';
import { flushBackgroundWrites } from 'nestjs-sigra/testing';
import { familyIdOf, type JwtApp } from './jwt-app.js';
import type { EntityManager } from 'typeorm';
import { User } from './test-app.js';

/** The options of the JWTs of an application for `mainFlows`. */
export const MAIN_JWT = { check: 'family', refreshTtl: 3600, absoluteTtl: 7200, reuseLeeway: 10 } as const;
/** Its other options: batches of clean-up are smaller than what there is to delete. */
export const MAIN_SIGRA = { audit: { retention: 86_400 }, cleanup: { schedule: false, batchSize: 2 } } as const;
/** The time at which its clock begins. */
export const START = new Date('2026-03-01T11:22:33.456Z');

/** Everything that has a meaning in SQL, in the text form of rows, or in JSON. */
const NAME = `O'Neil \\ "7" $1 {a,b} (c) äß😀`;
const METADATA = { text: NAME, [NAME]: [1.5, -3, true, null, { at: '2026-03-01T11:22:33.456Z' }] };

/** Runs the main flows of an application that has just started. @returns what callers get: see `MAIN_RESULTS` */
export async function mainFlows(test: JwtApp) {
  return {
    apiTokens: await apiTokens(test),
    refresh: await refresh(test),
    endings: await endings(test),
    audit: await audit(test),
    cleanup: await cleanup(test),
  };
}

/** What `mainFlows` returns under every setting. */
export const MAIN_RESULTS = {
  apiTokens: {
    created: { name: NAME, scopes: ['read:notes', 'admin'], createdAt: START, expiresAt: at(60), lastUsedAt: null },
    verified: { name: NAME, scopes: ['read:notes', 'admin'], createdAt: START, expiresAt: at(60), lastUsedAt: null },
    used: [
      { createdAt: START, lastUsedAt: at(0.002), lastUsedIp: '192.0.2.7' },
      { createdAt: at(0.001), lastUsedAt: at(0.002), lastUsedIp: null },
    ],
    pages: [[NAME, 'second'], ['third'], null],
    found: ['second active', null],
    session: { status: 200, body: { email: 'ada@example.com', method: 'session', scopes: ['*'] } },
    token: { status: 200, body: { email: 'ada@example.com', method: 'api_token', scopes: ['read:notes', 'admin'] } },
    inGrace: { revokedAt: null, expiresAt: at(30.002) },
    afterGrace: 'token_expired',
    successor: at(60.002),
    beforeExpiry: 'valid',
    atExpiry: 'token_expired',
    revoked: { revokedAt: at(60.002), revokeReason: 'revoked' },
    refused: 'token_revoked',
    revokedAll: 2,
    left: 0,
  },
  refresh: {
    scope: 'read:notes write:notes',
    isOfUser: true,
    issued: [{ action: 'api.jwt_issue', occurredAt: at(100) }],
    families: [{ scopes: ['read:notes', 'write:notes'], createdAt: at(100), refreshedAt: at(101) }],
    presented: {
      status: 200,
      body: { email: 'ada@example.com', method: 'jwt', scopes: ['read:notes', 'write:notes'] },
    },
    isReplayed: true,
    reuse: 'reuse_detected',
    afterReuse: 'token_revoked',
    presentedAfterReuse: 401,
    beforeExpiry: 'valid',
    atExpiry: 'token_expired',
  },
  endings: {
    signedOut: ['token_revoked', 'epoch_mismatch', 'valid'],
    lockedOut: ['token_revoked', 'epoch_mismatch', 'token_revoked'],
  },
  audit: {
    pages: [['c', 'b'], ['a'], null],
    event: { outcome: 'failure', metadata: METADATA, occurredAt: at(20_000.001) },
    between: ['b'],
  },
  cleanup: {
    expiredTokens: 0,
    revokedTokens: 10,
    refreshFamilies: 5,
    refreshTokens: 10,
    auditEvents: 35,
    auditPartitions: 0,
    forgottenOwners: 1,
    complete: true,
  },
};

async function apiTokens(test: JwtApp) {
  const { tokens, user, clock } = test;
  const scopes = ['read:notes', 'admin'];
  const first = await tokens.create(user, { name: NAME, scopes, expiresAt: at(60) });
  clock.advance({ milliseconds: 1 });
  const second = await tokens.create(user.id, { name: 'second', scopes: ['*'] });
  clock.advance({ milliseconds: 1 });
  const third = await tokens.create(user, { name: 'third', scopes: ['*'] });
  const verified = await tokens.verify(first.rawToken, { ipAddress: '192.0.2.7' });
  await tokens.verify(second.rawToken);
  await flushBackgroundWrites(test.app);
  const page = await tokens.listActive(user, { limit: 2 });
  const last = await tokens.listActive(user, { limit: 2, cursor: page.nextCursor! });
  const found = await test.get(ApiTokenAdminService).search({ name: 'second', limit: 2 });
  const session = await answerOf(test, { 'x-session-user': user.id });
  const token = await answerOf(test, { authorization: `Bearer ${first.rawToken}` });

  const rotated = await tokens.rotate(first.token.id, { graceSeconds: 30 });
  clock.set(at(30.001));
  const inGrace = await tokens.verify(first.rawToken);
  clock.set(at(30.002));
  const afterGrace = await stateOf(tokens.verify(first.rawToken));
  clock.set(at(60.001));
  const beforeExpiry = await stateOf(tokens.verify(rotated.rawToken));
  clock.set(at(60.002));
  const atExpiry = await stateOf(tokens.verify(rotated.rawToken));
  const revoked = await tokens.revoke(third.token.id);
  await tokens.create(user, { name: 'fourth', scopes });
  return {
    created: pick(first.token, 'name', 'scopes', 'createdAt', 'expiresAt', 'lastUsedAt'),
    verified: pick(verified, 'name', 'scopes', 'createdAt', 'expiresAt', 'lastUsedAt'),
    used: page.tokens.map((each) => pick(each, 'createdAt', 'lastUsedAt', 'lastUsedIp')),
    pages: [page.tokens.map(({ name }) => name), last.tokens.map(({ name }) => name), last.nextCursor],
    found: [...found.tokens.map(({ token: { name }, state }) => `${name} ${state}`), found.nextCursor],
    session,
    token,
    inGrace: pick(inGrace, 'revokedAt', 'expiresAt'),
    afterGrace,
    successor: rotated.token.expiresAt,
    beforeExpiry,
    atExpiry,
    revoked: pick(revoked, 'revokedAt', 'revokeReason'),
    refused: await stateOf(tokens.verify(third.rawToken)),
    revokedAll: await tokens.revokeAll(user),
    left:
      (await tokens.listActive(user)).tokens.length +
      ((await stateOf(tokens.verify(second.rawToken))) === 'valid' ? 1 : 0),
  };
}

async function refresh(test: JwtApp) {
  const { jwt, user, clock } = test;
  clock.set(at(100));
  const pair = await jwt.generateTokens(user.id, ['read:notes', 'write:notes']);
  const { sub, sid } = await jwt.verifyAccess(pair.accessToken);
  const issued = await test.get(AuditService).query({ targetId: familyIdOf(pair) });
  clock.set(at(101));
  const successor = await jwt.refresh(pair.refreshToken);
  const { families } = await jwt.listFamilies(user);
  const presented = await answerOf(test, { authorization: `Bearer ${successor.accessToken}` });
  clock.set(at(110.999));
  const replayed = await jwt.refresh(pair.refreshToken);
  clock.set(at(111));
  const reuse = await stateOf(jwt.refresh(pair.refreshToken));
  const afterReuse = await stateOf(jwt.refresh(successor.refreshToken));
  const { status: presentedAfterReuse } = await test.present(successor.accessToken);

  const kept = await jwt.generateTokens(user, ['*']);
  clock.set(at(111 + 3599.999));
  const next = await jwt.refresh(kept.refreshToken);
  clock.set(at(111 + 7198.998));
  const last = await jwt.refresh(next.refreshToken);
  clock.set(at(111 + 7198.999));
  const beforeExpiry = await stateOf(jwt.refresh(last.refreshToken));
  return {
    scope: pair.scope,
    isOfUser: sub === user.id && sid === familyIdOf(pair),
    issued: issued.events.map((each) => pick(each, 'action', 'occurredAt')),
    families: families.map((each) => pick(each, 'scopes', 'createdAt', 'refreshedAt')),
    presented,
    isReplayed: replayed.refreshToken === successor.refreshToken,
    reuse,
    afterReuse,
    presentedAfterReuse,
    beforeExpiry,
    atExpiry: await expiryOf(test),
  };
}

/** The state of a refresh token at its own expiry, before that of its family. */
async function expiryOf({ jwt, user, clock }: JwtApp) {
  const first = await jwt.generateTokens(user, ['*']);
  const { refreshToken } = await jwt.refresh(first.refreshToken);
  clock.advance({ seconds: 3600 });
  return stateOf(jwt.refresh(refreshToken));
}

async function endings(test: JwtApp) {
  const { jwt, tokens, clock } = test;
  clock.set(at(12_000));
  const user = await asHost(test, (users) => addUser(users, 'grace@example.com'));
  const names = ['a', 'b', 'c', 'd', 'e'];
  const made: IssuedApiToken[] = [];
  for (const name of names) made.push(await tokens.create(user, { name, scopes: ['*'] }));
  const states = async (pair: Awaited<ReturnType<typeof jwt.generateTokens>>) => [
    await stateOf(jwt.refresh(pair.refreshToken)),
    await stateOf(jwt.verifyAccess(pair.accessToken)),
    await stateOf(tokens.verify(made[0]!.rawToken)),
  ];
  const first = await jwt.generateTokens(user, ['*']);
  await jwt.signOutEverywhere(user);
  const signedOut = await states(first);
  const second = await jwt.generateTokens(user, ['*']);
  await test.get(CredentialService).lockOut(user);
  const lockedOut = await states(second);
  return { signedOut, lockedOut };
}

async function audit(test: JwtApp) {
  const events = test.get(AuditService);
  const names = ['a', 'b', 'c'];
  for (const [index, name] of names.entries()) {
    test.clock.set(at(20_000 + index / 1000));
    await events.log('note.add', { targetId: name, outcome: 'failure', metadata: METADATA });
  }
  const targets = (page: { readonly events: readonly { readonly targetId: string | null }[] }) =>
    page.events.map(({ targetId }) => targetId);
  const first = await events.query({ action: 'note.add', limit: 2 });
  const last = await events.query({ action: 'note.add', limit: 2, cursor: first.nextCursor! });
  const between = await events.query({ action: 'note.add', from: at(20_000.001), to: at(20_000.002) });
  return {
    pages: [targets(first), targets(last), last.nextCursor],
    event: pick(between.events[0]!, 'outcome', 'metadata', 'occurredAt'),
    between: targets(between),
  };
}

async function cleanup(test: JwtApp) {
  const former = await asHost(test, (users) => addUser(users, 'former@example.com'));
  await test.tokens.create(former, { name: 'CI', scopes: ['*'] });
  await asHost(test, (users) => users.delete(User, { id: former.id }));
  await flushBackgroundWrites(test.app);
  test.clock.advance({ days: 400 });
  return test.get(TokenCleanupService).cleanupExpiredTokens();
}

/** Writes as the host: it finds its tables also where a connection has another search path. */
function asHost<T>({ dataSource }: JwtApp, work: (users: EntityManager) => Promise<T>): Promise<T> {
  return dataSource.transaction(async (manager) => {
    await manager.query('SET LOCAL search_path = public');
    return work(manager);
  });
}

async function addUser(users: EntityManager, email: string): Promise<User> {
  await users.insert(User, { email });
  return users.findOneByOrFail(User, { email });
}

/** The answer to a request with these headers. */
async function answerOf({ url }: JwtApp, headers: Record<string, string>) {
  const response = await fetch(`${url}/notes/me`, { headers });
  return {
    status: response.status,
    body: pick((await response.json()) as Record<string, unknown>, 'email', 'method', 'scopes'),
  };
}

async function stateOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'valid',
    (error: unknown) => {
      if (error instanceof SigraError) return error.code;
      throw error;
    },
  );
}

/** The time this many seconds after `START`. */
function at(seconds: number): Date {
  return new Date(Math.round(START.getTime() + seconds * 1000));
}

function pick<T extends object, K extends keyof T>(from: T, ...keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>;
}
