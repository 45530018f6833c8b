import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { trustIssuers } from 'nestjs-sigra/issuers';
import { FakeClock } from 'nestjs-sigra/testing';
import { ForeignIssuer, issuerKey } from '../support/foreign-issuer.js';
import { type OAuthApp, startOAuthApp } from '../support/oauth-app.js';
import { ADAPTERS } from '../support/test-app.js';

describe.each(ADAPTERS)('A token of another issuer at the OAuth endpoints, on %s', (adapter) => {
  const clock = new FakeClock();
  let issuer: ForeignIssuer;
  let stranger: ForeignIssuer;
  let test: OAuthApp;
  let authorization: string;

  beforeAll(async () => {
    [issuer, stranger] = [await ForeignIssuer.start(() => clock.now()), await ForeignIssuer.start(() => clock.now())];
    test = await startOAuthApp({}, { adapter, clock, sigra: { trustedIssuers: trustIssuers([issuer.options()]) } });
    const { rawToken } = await test.tokens.create(test.user, { name: 'RS', scopes: ['oauth:introspect'] });
    authorization = `Bearer ${rawToken}`;
  });
  afterAll(async () => {
    await test.close();
    await issuer.close();
    await stranger.close();
  });

  it('cannot be revoked here, and the answer says so (RFC 7009 section 2.2.1)', async () => {
    const token = await issuer.sign(test.user.id);

    const { status, headers, body } = await test.post('revoke', { token });

    expect([status, headers.get('cache-control'), body]).toEqual([
      400,
      'no-store',
      {
        error: 'unsupported_token_type',
        error_description: 'Another server has issued this token: revoke it there.',
      },
    ]);
    expect((await test.present(token)).status).toBe(200);
  });

  it('counts as revoked if its issuer is not trusted, because it is not valid here', async () => {
    const { status, body } = await test.post('revoke', { token: await stranger.sign(test.user.id) });

    expect([status, body]).toEqual([200, {}]);
  });

  it('is not active: only its issuer introspects it', async () => {
    const token = await issuer.sign(test.user.id);

    const { body } = await test.post('introspect', { token }, { authorization });

    expect((await test.present(token)).status).toBe(200);
    expect(body).toEqual({ active: false });
  });

  it.each([
    ['a key', { jkt: 'x'.repeat(43) }],
    ['a certificate', { 'x5t#S256': 'x'.repeat(43) }],
    ['both', { jkt: 'x'.repeat(43), 'x5t#S256': 'x'.repeat(43) }],
    ['nothing', {}],
    ['null', null],
  ])('is refused as bearer, and not active, with the confirmation of %s', async (_what, cnf) => {
    const token = await issuer.sign(test.user.id, { claims: { cnf } });

    const { body } = await test.post('introspect', { token }, { authorization });

    expect((await test.present(token)).status).toBe(401);
    expect(body).toEqual({ active: false });
  });

  it('is accepted through a rotation of the keys of its issuer', async () => {
    const old = await issuer.sign(test.user.id);
    const next = await issuerKey('key-2');
    const [first] = issuer.keys;
    const present = async (token: string) => (await test.present(token)).status;

    const before = await present(old);
    issuer.keys = [first!, next];
    clock.advance({ seconds: 30 });
    const announced = [await present(old), await present(await issuer.sign(test.user.id, { key: next }))];
    issuer.keys = [next];
    clock.advance({ minutes: 10 });
    const fresh = (key = next) => issuer.sign(test.user.id, { key });
    const removed = [await present(await fresh(first)), await present(await fresh())];

    expect([before, announced, removed]).toEqual([200, [200, 200], [401, 200]]);
  });

  it('needs a kid if several keys fit, and no kid if one does', async () => {
    const [only] = issuer.keys;
    const header = { kid: undefined };
    const present = async () => (await test.present(await issuer.sign(test.user.id, { header, key: only! }))).status;

    const alone = await present();
    issuer.keys = [only!, await issuerKey('key-3')];
    clock.advance({ minutes: 10 });
    const ambiguous = await present();
    const named = await test.present(await issuer.sign(test.user.id, { key: only! }));

    expect([alone, ambiguous, named.status]).toEqual([200, 401, 200]);
  });
});
