import { createHmac } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { AuditService, CredentialService, SweepEntity, type UserProvider } from 'nestjs-sigra';
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

    let revoked = await test.tokens.revoke(leaked.token.id);
    while (revoked.replacedBy !== null) revoked = await test.tokens.revoke(revoked.replacedBy);

    expect(await stateOf(test, rotated.rawToken)).toBe('token_revoked');
    expect(await stateOf(test, taken.rawToken)).toBe('token_revoked');
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

  it('a signing key that leaked: tokens that forged JWTs made are found in the audit trail', async () => {
    const test = await startJwtApp();
    const { accessToken } = await test.jwt.generateTokens(test.user, SCOPES);
    const mine = await test.tokens.create(test.user, REQUEST);
    const forged = forge(accessToken, { sub: test.user.id, scope: '*', exp: 4_000_000_000 });
    const made = (await TokenClient.withToken(test, forged).create(REQUEST)).body;
    const rotating = (await TokenClient.withToken(test, forged).create(REQUEST_TO_MAKE)).body;
    const rotated = (await TokenClient.withToken(test, rotating.rawToken).rotate(rotating.token.id)).body;
    const other = await test.tokens.create(test.user, REQUEST);
    const taken = (await TokenClient.withToken(test, forged).rotate(other.token.id)).body;
    const next = await startJwtApp(
      { secret: 'another secret of at least thirty-two bytes' },
      { databaseUrl: test.databaseUrl, clock: test.clock },
    );

    const refused = (await next.present(forged)).status;
    const before = await stateOf(next, made.rawToken);
    const end = async (tokenId: unknown) => {
      let revoked = await next.tokens.revoke(String(tokenId));
      while (revoked.replacedBy !== null) revoked = await next.tokens.revoke(revoked.replacedBy);
    };
    for await (const { action, targetId, metadata } of next.get(AuditService).stream()) {
      if (metadata.method !== 'jwt') continue;
      if (action === 'api.token_create') await end(targetId);
      if (action === 'api.token_rotate') await end(metadata.replacedBy);
    }

    expect(refused).toBe(401);
    expect(before).toBe('valid');
    expect(await stateOf(next, made.rawToken)).toBe('token_revoked');
    expect(await stateOf(next, rotated.rawToken)).toBe('token_revoked');
    expect(await stateOf(next, taken.rawToken)).toBe('token_revoked');
    expect(await stateOf(next, mine.rawToken)).toBe('valid');
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
