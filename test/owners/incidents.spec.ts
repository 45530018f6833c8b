import { createHmac, randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { CredentialService, SweepEntity, type UserProvider } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { auditRows } from '../support/audit-rows.js';
import { startCustomUsersApp } from '../support/custom-users-app.js';
import { closeJwtApps, claimsOf, familyIdOf, JWT, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';
import { SIGRA_OPTIONS } from '../support/test-app.js';
import { TokenClient } from '../support/token-client.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };
const SCOPES = ['read:notes', 'api_tokens:write'];
const REQUEST_TO_MAKE = { ...REQUEST, scopes: SCOPES };

afterEach(closeJwtApps);

/** What docs/incidents.md and docs/operations.md promise, and no other spec shows. */
describe('After an incident', () => {
  const stateOf = (test: JwtApp, rawToken: string) =>
    test.tokens.verify(rawToken).then(
      () => 'valid',
      () => refusalOf(test.tokens.verify(rawToken)),
    );

  it('a token that leaked: its successors, and those of tokens that it rotated, are revoked', async () => {
    const test = await startJwtApp();
    const leaked = await test.tokens.create(test.user, { name: 'leaked', scopes: SCOPES });
    const other = await test.tokens.create(test.user, REQUEST);
    const thief = TokenClient.withToken(test, leaked.rawToken);
    const taken = (await thief.rotate(other.token.id)).body;
    const rotated = (await thief.rotate(leaked.token.id)).body;

    await test.tokens.lockOut(leaked.token.id);

    expect(await stateOf(test, rotated.rawToken)).toBe('token_revoked');
    expect(await stateOf(test, taken.rawToken)).toBe('token_revoked');
    expect(await auditRows(test.dataSource, rotated.token.id)).toMatchObject([{ action: 'api.token_revoke' }]);
  });

  it('a token that leaked: one call ends all of its rotations, also those in grace and behind rows that are gone', async () => {
    const test = await startJwtApp();
    const first = await test.tokens.create(test.user, REQUEST_TO_MAKE);
    const child = (await TokenClient.withToken(test, first.rawToken).create(REQUEST)).body;
    const second = await test.tokens.rotate(first.token.id);
    const third = await test.tokens.rotate(second.token.id, { graceSeconds: 60 });
    const fourth = await test.tokens.rotate(third.token.id, { graceSeconds: 60 });
    const other = await test.tokens.create(test.user, REQUEST);
    await test.dataSource.query('DELETE FROM sigra_api_tokens WHERE id = ANY ($1)', [
      [first.token.id, second.token.id],
    ]);
    const states = () => Promise.all([third, fourth, child, other].map(({ rawToken }) => stateOf(test, rawToken)));
    const before = await states();

    await test.tokens.lockOut(first.token.id);
    await test.tokens.lockOut(fourth.token.id);

    expect(before).toEqual(['valid', 'valid', 'valid', 'valid']);
    expect(await states()).toEqual(['token_revoked', 'token_revoked', 'token_revoked', 'valid']);
    expect(await auditRows(test.dataSource, fourth.token.id)).toMatchObject([{ action: 'api.token_revoke' }]);
  });

  it('a token that leaked: only a principal with all of its scopes ends it, and a missing one is not found', async () => {
    const test = await startJwtApp();
    const leaked = await test.tokens.create(test.user, { name: 'leaked', scopes: ['*'] });
    const grace = await test.addUser('grace@example.com');
    const principal = { user: grace, userId: grace.id, method: 'session', scopes: SCOPES } as const;

    expect(await refusalOf(test.tokens.lockOut(leaked.token.id, { principal }))).toBe('insufficient_scope');
    expect(await refusalOf(test.tokens.lockOut(randomUUID()))).toBe('not_found');
    expect(await refusalOf(test.tokens.lockOut('x'))).toBe('not_found');
    expect(await stateOf(test, leaked.rawToken)).toBe('valid');
  });

  it('a stolen laptop: one call ends the family and everything that was made with it', async () => {
    const test = await startJwtApp();
    const pair = await test.jwt.generateTokens(test.user, SCOPES);
    const made = (await TokenClient.withToken(test, pair.accessToken).create(REQUEST_TO_MAKE)).body;
    const grandchild = (await TokenClient.withToken(test, made.rawToken).create(REQUEST_TO_MAKE)).body;
    const rotated = (await TokenClient.withToken(test, grandchild.rawToken).rotate(made.token.id)).body;
    const other = await test.tokens.create(test.user, REQUEST);
    const stranger = await test.addUser('grace@example.com');

    expect(await refusalOf(test.jwt.lockOutFamily(stranger, familyIdOf(pair)))).toBe('not_found');
    await test.jwt.lockOutFamily(test.user, familyIdOf(pair));
    await test.jwt.lockOutFamily(test.user, familyIdOf(pair));

    expect(await Promise.all([grandchild, rotated, other].map(({ rawToken }) => stateOf(test, rawToken)))).toEqual([
      'token_revoked',
      'token_revoked',
      'valid',
    ]);
    expect(await refusalOf(test.jwt.refresh(pair.refreshToken))).toBe('token_revoked');
    expect(await auditRows(test.dataSource, familyIdOf(pair))).toMatchObject([
      { action: 'api.jwt_issue' },
      { action: 'api.jwt_revoke', metadata: { reason: 'locked_out' } },
    ]);
  });

  it('a stolen laptop whose app has signed out already: what was made there ends', async () => {
    const test = await startJwtApp();
    const pair = await test.jwt.generateTokens(test.user, SCOPES);
    const made = (await TokenClient.withToken(test, pair.accessToken).create(REQUEST)).body;
    await test.jwt.revokeRefresh(pair.refreshToken);

    await test.jwt.lockOutFamily(test.user, familyIdOf(pair));

    expect(await stateOf(test, made.rawToken)).toBe('token_revoked');
  });

  it('an account that was taken over: no request makes a token, not even one whose session was read before it ended', async () => {
    let sessionWasRead: () => void = () => undefined;
    let proceed: () => void = () => undefined;
    const reading = new Promise<void>((resolve) => (sessionWasRead = resolve));
    const ended = new Promise<void>((resolve) => (proceed = resolve));
    const session = {
      userId: async (request: { headers: Readonly<Record<string, unknown>> }) => {
        const id = request.headers['x-session-user'] as string | undefined;
        sessionWasRead();
        await ended;
        return id;
      },
    };
    const test = await startJwtApp({}, { sigra: { session } });
    const isDisabled = (value: string) =>
      test.dataSource.query(`UPDATE users SET disabled_at = ${value} WHERE id = $1`, [test.user.id]);

    const creation = TokenClient.inSession(test).create(REQUEST);
    await reading;
    await isDisabled('now()');
    await test.get(CredentialService).lockOut(test.user);
    proceed();
    const { status } = await creation;
    await isDisabled('NULL');

    expect(status).toBe(401);
    expect(await test.tokens.listActive(test.user)).toEqual({ tokens: [], nextCursor: null });
    expect(await test.dataSource.manager.countBy(SweepEntity, { ownerId: test.user.id })).toBe(0);
  });

  it('a signing key that leaked: one call ends what forged JWTs made, with its rotations', async () => {
    const test = await startJwtApp();
    const own = await test.jwt.generateTokens(test.user, ['*']);
    const { accessToken } = own;
    const issue = () => test.tokens.create(test.user, REQUEST_TO_MAKE);
    const [mine, untouched] = [await issue(), await issue()];
    const forged = forge(accessToken, { sub: test.user.id, scope: '*', exp: 4_000_000_000 });
    const made = (await TokenClient.withToken(test, forged).create(REQUEST)).body;
    const rotating = (await TokenClient.withToken(test, forged).create(REQUEST_TO_MAKE)).body;
    const rotated = (await TokenClient.withToken(test, rotating.rawToken).rotate(rotating.token.id)).body;
    const other = await test.tokens.create(test.user, REQUEST);
    const taken = (await TokenClient.withToken(test, forged).rotate(other.token.id)).body;
    const familyId = familyIdOf(own);
    const principal = { user: test.user, userId: test.user.id, method: 'jwt', scopes: ['*'], familyId } as const;
    const family = await test.jwt.generateTokens(test.user, SCOPES, { principal });
    // What clean-up does at the end of the grace period, in which the thief has rotated the token again.
    const cleaned = (await TokenClient.withToken(test, forged).rotate(mine.token.id)).body;
    const survivor = (await TokenClient.withToken(test, cleaned.rawToken).rotate(cleaned.token.id)).body;
    await test.dataSource.query('DELETE FROM sigra_api_tokens WHERE id = $1', [cleaned.token.id]);
    const next = await startJwtApp(
      { secret: 'another secret of at least thirty-two bytes' },
      { databaseUrl: test.databaseUrl, clock: test.clock },
    );

    const refused = (await next.present(forged)).status;
    const before = await stateOf(next, made.rawToken);
    const later = await next.get(CredentialService).revokeMadeWithJwts(new Date(test.clock.now().getTime() + 1));
    const found = await next.get(CredentialService).revokeMadeWithJwts(test.clock.now());

    expect(refused).toBe(401);
    expect([later, found]).toEqual([0, 5]);
    expect(before).toBe('valid');
    expect(await refusalOf(next.jwt.refresh(family.refreshToken))).toBe('token_revoked');
    expect(await stateOf(next, made.rawToken)).toBe('token_revoked');
    expect(await stateOf(next, rotated.rawToken)).toBe('token_revoked');
    expect(await stateOf(next, taken.rawToken)).toBe('token_revoked');
    expect(await stateOf(next, survivor.rawToken)).toBe('token_revoked');
    expect(await stateOf(next, untouched.rawToken)).toBe('valid');
  });

  it('a signing key that leaked: needs a valid time and an audit trail', async () => {
    const [test, silent] = [await startJwtApp(), await startJwtApp({}, { sigra: { audit: { enabled: false } } })];

    await expect(test.get(CredentialService).revokeMadeWithJwts(new Date(NaN))).rejects.toThrow(TypeError);
    await expect(silent.get(CredentialService).revokeMadeWithJwts(new Date())).rejects.toThrow('audit.enabled');
  });

  it('a database that someone could write to: a new prefix ends all API tokens, and a statement all families', async () => {
    const test = await startJwtApp();
    const { rawToken } = await test.tokens.create(test.user, REQUEST);
    const { refreshToken } = await test.jwt.generateTokens(test.user, SCOPES);
    const apiTokens = { ...SIGRA_OPTIONS.apiTokens, prefix: 'next_sk_' };
    const next = await startJwtApp({}, { databaseUrl: test.databaseUrl, clock: test.clock, sigra: { apiTokens } });

    await next.dataSource.query(
      `UPDATE sigra_refresh_families SET revoked_at = now(), revoke_reason = 'revoked' WHERE revoked_at IS NULL`,
    );

    expect(await stateOf(next, rawToken)).toBe('invalid_token');
    expect(await refusalOf(next.jwt.refresh(refreshToken))).toBe('token_revoked');
  });
});

interface Member {
  id: string;
  name: string;
}

/** The provider of docs/operations.md. */
@Injectable()
class Members implements UserProvider<Member> {
  constructor(private readonly dataSource: DataSource) {}

  async findByIds(ids: readonly string[]): Promise<Member[]> {
    const tenants = new Set(ids.map((id) => id.slice(0, id.indexOf(':'))));
    const found = await Promise.all([...tenants].map((tenant) => this.findOf(tenant, ids)));
    return found.flat();
  }

  private findOf(tenant: string, ids: readonly string[]): Promise<Member[]> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query(`SELECT set_config('app.tenant', $1, true)`, [tenant]);
      return manager.query(
        `SELECT $1::text || ':' || id AS id, name FROM members WHERE $1::text || ':' || id = ANY ($2::text[])`,
        [tenant, ids],
      );
    });
  }
}

describe('Tenants behind the state of a connection', () => {
  it('each get their own user, also in one turn, from a provider that sets the tenant in a transaction', async () => {
    const host = await startCustomUsersApp<Member>({
      users: { provider: Members },
      providers: [Members],
      sql: `CREATE TABLE all_members (tenant text, id integer, name text, PRIMARY KEY (tenant, id));
        INSERT INTO all_members VALUES ('acme', 1, 'Ada'), ('globex', 1, 'Grace');
        CREATE VIEW members AS SELECT id, name FROM all_members WHERE tenant = current_setting('app.tenant', true)`,
    });

    const nameOf = async (id: string) => {
      const answer = await host.request({ 'x-session-user': id });
      return answer.status === 200 ? ((await answer.json()) as Member).name : answer.status;
    };

    const ids = Array.from({ length: 20 }, () => ['acme:1', 'globex:1', 'acme:2', '1']).flat();
    const names = await Promise.all(ids.map(nameOf));
    await host.close();

    expect(names).toEqual(Array.from({ length: 20 }, () => ['Ada', 'Grace', 401, 401]).flat());
  });
});

/** A JWT with the header of another, other claims and without a family, signed with the key of the application. */
function forge(jwt: string, claims: Readonly<Record<string, unknown>>): string {
  const { iss, aud, client_id, iat, jti } = claimsOf(jwt);
  const payload = Buffer.from(JSON.stringify({ iss, aud, client_id, iat, jti, ...claims })).toString('base64url');
  const content = `${jwt.split('.')[0] ?? ''}.${payload}`;
  return `${content}.${createHmac('sha256', JWT.secret).update(content).digest('base64url')}`;
}
