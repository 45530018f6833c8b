import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type IssuedApiToken, ownerRef } from 'nestjs-sigra';
import { flushBackgroundWrites } from 'nestjs-sigra/testing';
import { auditRows } from '../support/audit-rows.js';
import { type OAuthAnswer, type OAuthApp, startOAuthApp } from '../support/oauth-app.js';
import { refusalOf } from '../support/refusal.js';
import { ADAPTERS } from '../support/test-app.js';

const ORGANIZATIONS = { findByIds: (ids: readonly string[]) => Promise.resolve(ids.map((id) => ({ id }))) };

describe.each(ADAPTERS)('A token of an organization at the OAuth endpoints on %s', (adapter) => {
  let test: OAuthApp;
  let introspection: Readonly<Record<string, string>>;

  beforeAll(async () => {
    test = await startOAuthApp(
      {},
      {
        adapter,
        sigra: {
          owners: { organization: { provider: ORGANIZATIONS } },
          apiTokens: { scopes: ['read:notes'], usage: { enabled: true }, activityUpdateThreshold: 0 },
        },
      },
    );
    introspection = clientOf(await create(test.user.id));
  });
  afterAll(() => test.close());

  const create = (owner: Parameters<typeof test.tokens.create>[0]) =>
    test.tokens.create(owner, { name: 'CI', scopes: ['oauth:introspect', 'read:notes'] });
  /** The id of the organization is that of a user. */
  const createForOrganization = () => create(ownerRef('organization', test.user.id));
  const clientOf = ({ token, rawToken }: IssuedApiToken) => ({ client_id: token.id, client_secret: rawToken });
  const verify = ({ rawToken }: IssuedApiToken) => test.tokens.verify(rawToken, {}, { owners: ['organization'] });
  const usesOf = async ({ rawToken, token }: IssuedApiToken) => {
    await flushBackgroundWrites(test.app);
    const found = await test.tokens.lookup(rawToken);
    return { lastUsedAt: found?.token.lastUsedAt, usage: await test.tokens.usage(token.id) };
  };
  const errorIn = ({ status, body }: OAuthAnswer) => [status, (body as { error?: string }).error];

  it.each<[string, Readonly<Record<string, string>>]>([
    ['token', { grant_type: 'client_credentials' }],
    ['revoke', { token: 'sigra_rt_unknown' }],
    ['introspect', { token: 'sigra_rt_unknown' }],
  ])('does not authenticate a client of %s', async (endpoint, form) => {
    const ofUser = await test.post(endpoint, { ...form, ...clientOf(await create(test.user.id)) });
    const ofOrganization = await test.post(endpoint, { ...form, ...clientOf(await createForOrganization()) });

    expect(ofUser.status).toBe(200);
    expect(errorIn(ofOrganization)).toEqual([401, 'invalid_client']);
  });

  it('does not introspect as a bearer credential', async () => {
    const { rawToken } = await createForOrganization();

    const answer = await test.post('introspect', { token: 'x' }, { authorization: `Bearer ${rawToken}` });

    expect(errorIn(answer)).toEqual([403, 'invalid_request']);
  });

  it('is not active, because its sub could be taken for the user with the same id', async () => {
    const organizations = await createForOrganization();
    const users = await create(test.user.id);

    const answers = [
      await test.post('introspect', { token: users.rawToken, ...introspection }),
      await test.post('introspect', { token: organizations.rawToken, ...introspection }),
    ];

    expect(answers.map(({ body }) => body)).toEqual([
      expect.objectContaining({ active: true, sub: test.user.id }),
      { active: false },
    ]);
    expect(await verify(organizations)).toMatchObject({ ownerType: 'organization', ownerId: test.user.id });
  });

  it('is not used by an introspection that is refused', async () => {
    const organizations = await createForOrganization();
    const users = await create(test.user.id);

    await test.post('introspect', { token: users.rawToken, ...introspection });
    await test.post('introspect', { token: organizations.rawToken, ...introspection });

    expect(await usesOf(users)).toEqual({
      lastUsedAt: test.clock.now(),
      usage: [expect.objectContaining({ requests: 1 })],
    });
    expect(await usesOf(organizations)).toEqual({ lastUsedAt: null, usage: [] });
  });

  it('is revoked by anyone who holds it', async () => {
    const issued = await createForOrganization();

    const { status, body } = await test.post('revoke', { token: issued.rawToken });

    expect([status, body]).toEqual([200, {}]);
    expect(await refusalOf(verify(issued))).toBe('token_revoked');
    expect((await auditRows(test.dataSource, issued.token.id)).map(({ action }) => action)).toEqual([
      'api.token_create',
      'api.token_revoke',
    ]);
  });

  it('does not keep the refusal of a token of a user from the audit trail', async () => {
    const { rawToken, token } = await create(test.user.id);
    await test.tokens.revoke(token.id);

    await test.post('introspect', { token: rawToken, ...introspection });
    await flushBackgroundWrites(test.app);

    expect((await auditRows(test.dataSource, token.id)).at(-1)).toMatchObject({ action: 'api.token_verify.failure' });
  });
});
