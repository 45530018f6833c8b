import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuditService, CredentialService, SigraJwtService } from 'nestjs-sigra';
import { trustIssuers } from 'nestjs-sigra/issuers';
import { FakeClock } from 'nestjs-sigra/testing';
import { answerOf, INVALID_TOKEN } from '../support/answers.js';
import { CONTEXTS } from '../support/context-clients.js';
import { type ContextHosts, startContextHosts } from '../support/context-hosts.js';
import { API, ForeignIssuer } from '../support/foreign-issuer.js';
import { startHost } from '../support/host-app.js';
import { JWT } from '../support/jwt-app.js';
import { ADAPTERS, startTestApp, type TestApp, User } from '../support/test-app.js';

describe.each(ADAPTERS)('A user with a token of a trusted issuer, on %s', (adapter) => {
  const clock = new FakeClock();
  let issuer: ForeignIssuer;
  let other: ForeignIssuer;
  let test: TestApp;

  beforeAll(async () => {
    [issuer, other] = [await ForeignIssuer.start(() => clock.now()), await ForeignIssuer.start(() => clock.now())];
    test = await startTestApp({
      adapter,
      clock,
      // Without JWTs of the application.
      sigra: {
        lookupTimeout: 2_000,
        users: {
          entity: User,
          isActive: (user) => user.disabledAt === null,
          scopes: ({ email }) => (email.startsWith('reader') ? ['read:notes'] : ['*']),
        },
        trustedIssuers: trustIssuers([
          issuer.options({ scopes: ({ permissions }) => (permissions ?? ['read:notes']) as string[] }),
          other.options(),
        ]),
      },
    });
  });
  afterAll(async () => {
    await test.close();
    await issuer.close();
    await other.close();
  });

  const ask = async (token: string, path = '/notes', body?: object) =>
    fetch(test.url + path, {
      method: body ? 'POST' : 'GET',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });

  it('is authenticated where the application has no JWTs of its own', async () => {
    expect((await ask(await issuer.sign(test.user.id))).status).toBe(200);
    expect((await ask(await issuer.sign(test.user.id.toUpperCase()))).status).toBe(200);
  });

  it('has at most the scopes of users.scopes', async () => {
    const reader = await test.addUser('reader@example.com');
    const claims = { permissions: ['*'] };

    const [ofReader, ofAda] = [await issuer.sign(reader.id, { claims }), await issuer.sign(test.user.id, { claims })];

    expect((await ask(ofReader)).status).toBe(200);
    expect((await ask(ofReader, '/notes', {})).status).toBe(403);
    expect((await ask(ofAda, '/notes', {})).status).toBe(201);
  });

  it('is answered 503 while the issuer is down, and users of other issuers are not', async () => {
    other.behaviour = 'fail';

    const answer = await ask(await other.sign(test.user.id));

    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    expect((await ask(await issuer.sign(test.user.id))).status).toBe(200);
  });

  it('makes API tokens that end with the token', async () => {
    const user = await test.addUser('maker@example.com');
    const claims = { permissions: ['api_tokens:write', 'read:notes'] };
    const token = await issuer.sign(user.id, { claims });

    const made = await ask(token, '/api/tokens', { name: 'CI', scopes: ['read:notes'] });
    const wider = await ask(token, '/api/tokens', { name: 'CI', scopes: ['write:notes'] });

    const body = (await made.json()) as { rawToken: string; token: { expiresAt: string } };
    expect([made.status, wider.status]).toEqual([201, 403]);
    expect(new Date(body.token.expiresAt).getTime()).toBe(Math.floor(clock.now().getTime() / 1000) * 1000 + 300_000);
    expect((await ask(body.rawToken)).status).toBe(200);
    const { events } = await test.get(AuditService).query({ actorId: user.id });
    expect(events.map(({ action, metadata }) => [action, metadata.method, metadata.issuer])).toEqual([
      ['api.token_create', 'jwt', issuer.url],
    ]);
  });

  it.each([
    ['a lock-out', (user: User) => test.get(CredentialService).lockOut(user)],
    ['a sign-out everywhere', (user: User) => test.get(SigraJwtService).signOutEverywhere(user)],
    ['the deletion of the user', (user: User) => test.get(CredentialService).forget(user)],
  ])('is refused after %s, until the issuer issues a new token', async (_what, end) => {
    const user = await test.addUser('grace@example.com');
    const before = await issuer.sign(user.id);
    expect((await ask(before)).status).toBe(200);

    clock.advance({ seconds: 10 });
    await end(user);

    expect(await answerOf(await ask(before))).toEqual(INVALID_TOKEN);
    // The clock of the issuer can be so much ahead.
    clock.advance({ seconds: 5 });
    expect(await answerOf(await ask(await issuer.sign(user.id)))).toEqual(INVALID_TOKEN);
    clock.advance({ seconds: 2 });
    expect((await ask(await issuer.sign(user.id))).status).toBe(200);
  });

  it('keeps the token when only API tokens are revoked', async () => {
    const user = await test.addUser('grace@example.com');
    const token = await issuer.sign(user.id);

    await test.tokens.revokeAll(user);

    expect((await ask(token)).status).toBe(200);
  });
});

describe('A token of a trusted issuer', () => {
  let issuer: ForeignIssuer;
  let test: TestApp;
  let hosts: ContextHosts;

  beforeAll(async () => {
    issuer = await ForeignIssuer.start();
    test = await startTestApp();
    hosts = await startContextHosts(test, { trustedIssuers: trustIssuers([issuer.options()]) });
  });
  afterAll(async () => {
    await hosts.close();
    await test.close();
    await issuer.close();
  });

  it.each(CONTEXTS)('is accepted in the context $context', async ({ connect }) => {
    const claims = { scope: 'write:notes' };
    const client = await connect(hosts, { token: await issuer.sign(test.user.id, { claims }) });
    const wrong = await connect(hosts, { token: await issuer.sign(test.user.id, { claims: { aud: 'x' } }) });

    try {
      expect(await client.ask('scoped')).toEqual({ userId: test.user.id, method: 'jwt', email: test.user.email });
      expect(await wrong.ask('scoped')).toEqual(INVALID_TOKEN.body);
    } finally {
      await client.close();
      await wrong.close();
    }
  });

  it('has an issuer that the metadata of the API names', async () => {
    const host = await startHost({
      adapter: 'express',
      databaseUrl: test.databaseUrl,
      sigra: { metadata: { resource: API }, trustedIssuers: trustIssuers([issuer.options()]) },
    });

    const answer = await fetch(`${host.url}/.well-known/oauth-protected-resource`);
    const document: unknown = await answer.json().finally(() => host.close());

    expect(document).toMatchObject({ authorization_servers: [issuer.url] });
  });

  it('cannot have the issuer of the application', async () => {
    const sigra = {
      jwt: JWT,
      trustedIssuers: trustIssuers([{ issuer: JWT.issuer, audience: API, owner: ({ sub }) => sub }]),
    };

    await expect(startHost({ adapter: 'express', databaseUrl: test.databaseUrl, sigra })).rejects.toThrow(
      'sigra: trustedIssuers has the value of jwt.issuer; an issuer is either this application or another',
    );
  });

  it('needs the result of trustIssuers()', async () => {
    const sigra = { trustedIssuers: [issuer.options()] as never };

    await expect(startHost({ adapter: 'express', databaseUrl: test.databaseUrl, sigra })).rejects.toThrow(
      'sigra: trustedIssuers must be the result of trustIssuers() of nestjs-sigra/issuers, not an array',
    );
  });
});
