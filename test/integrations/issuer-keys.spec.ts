import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { trustIssuers, type TrustedIssuerOptions } from 'nestjs-sigra/issuers';
import { FakeClock } from 'nestjs-sigra/testing';
import { ForeignIssuer, type IssuerKey, issuerKey } from '../support/foreign-issuer.js';
import { reasonOf, refusalOf } from '../support/refusal.js';

const logged: string[] = [];
const note = (message: unknown) => logged.push(String(message));

beforeAll(() => {
  Logger.overrideLogger({ log: note, warn: note, error: note });
});
afterAll(() => {
  Logger.overrideLogger(false);
});

describe('The keys of a trusted issuer', () => {
  let clock: FakeClock;
  let issuer: ForeignIssuer;
  let trusted: ReturnType<typeof trustIssuers>;

  beforeEach(async () => {
    clock = new FakeClock();
    issuer = await ForeignIssuer.start(() => clock.now());
    trust();
  });
  afterEach(() => issuer.close());

  const trust = (options: Partial<TrustedIssuerOptions> = {}) => {
    trusted = trustIssuers([issuer.options(options)]);
  };
  const verify = async (key?: IssuerKey, timeout = 30_000) =>
    trusted.verify(await issuer.sign('ada', key && { key }), issuer.url, { now: clock.now(), timeout });

  it('are read once, by their metadata, for all requests that wait', async () => {
    const tokens = await Promise.all(Array.from({ length: 50 }, () => verify()));

    expect(tokens.map(({ ownerId }) => ownerId)).toEqual(Array(50).fill('ada'));
    expect(issuer.requests).toEqual(['/.well-known/openid-configuration', '/keys']);
  });

  it('are found by RFC 8414, by a URL of the metadata, and by their own', async () => {
    trust({ discovery: 'oauth' });
    await verify();
    trust({ discovery: `${issuer.url}/.well-known/mine` });
    await verify();
    trust({ jwksUri: `${issuer.url}/certs` });
    await verify();

    const [oauth, mine] = ['/.well-known/oauth-authorization-server', '/.well-known/mine'];
    expect(issuer.requests).toEqual([oauth, '/keys', mine, '/keys', '/certs']);
  });

  it('are read again every ten minutes, and a key that is gone then does not count', async () => {
    await verify();
    const [old] = issuer.keys;
    issuer.keys = [await issuerKey('key-2')];

    clock.advance({ seconds: 599 });
    expect((await verify(old)).ownerId).toBe('ada');
    clock.advance({ seconds: 1 });

    expect(await refusalOf(verify(old))).toBe('invalid_token');
    expect(issuer.requests).toHaveLength(4);
  });

  it('are read again for a key that has been added', async () => {
    await verify();
    const added = await issuerKey('key-2');
    issuer.keys.push(added);
    clock.advance({ seconds: 30 });

    const tokens = await Promise.all(Array.from({ length: 20 }, () => verify(added)));

    expect(tokens).toHaveLength(20);
    expect(issuer.requests).toHaveLength(4);
  });

  it('are not read more often than every 30 seconds, whatever keys tokens name', async () => {
    await verify();
    const forged = await Promise.all(Array.from({ length: 100 }, (_, index) => issuerKey(`forged-${index}`)));

    for (let minute = 0; minute < 5; minute++) {
      clock.advance({ seconds: 30 });
      const codes = await Promise.all(forged.map((key) => refusalOf(verify(key))));
      expect(new Set(codes)).toEqual(new Set(['invalid_token']));
    }

    expect(issuer.requests.filter((path) => path === '/keys')).toHaveLength(1 + 5);
    expect((await verify()).ownerId).toBe('ada');
  });

  it.each(['fail', 'redirect', 'huge', 'nonsense'] as const)(
    'are unavailable while the issuer answers with %s, and are not asked for by every request',
    async (behaviour) => {
      issuer.behaviour = behaviour;
      logged.length = 0;

      for (let request = 0; request < 10; request++) {
        expect(await reasonOf(verify())).toEqual({
          code: 'unavailable',
          message: 'The keys of the issuer cannot be read.',
        });
      }
      expect(issuer.requests).toHaveLength(1);

      issuer.behaviour = 'serve';
      clock.advance({ seconds: 5 });
      expect((await verify()).ownerId).toBe('ada');
      expect(logged).toEqual([
        expect.stringMatching(/^Cannot read the keys of http:.*: http:/),
        `The keys of ${issuer.url} can be read again`,
      ]);
    },
  );

  it('are unavailable while the issuer does not answer, in the time that a request has', async () => {
    issuer.behaviour = 'hang';
    const begun = performance.now();

    expect(await refusalOf(verify(undefined, 400))).toBe('unavailable');
    expect(performance.now() - begun).toBeLessThan(20_000);
  });

  it.each(['fail', 'hang'] as const)('count for a day while the issuer would %s', async (behaviour) => {
    await verify();
    issuer.behaviour = behaviour;

    clock.advance({ hours: 23 });
    expect((await verify(undefined, 1_000)).ownerId).toBe('ada');
    // Requests do not wait for an issuer that is known to fail.
    clock.advance({ minutes: 10 });
    expect((await verify()).ownerId).toBe('ada');
    clock.advance({ minutes: 50 });

    expect(await refusalOf(verify(undefined, 1_000))).toBe('unavailable');
  });

  it('leave it open whether an unknown key is valid while the issuer fails', async () => {
    await verify();
    issuer.behaviour = 'fail';
    clock.advance({ seconds: 30 });
    const unknown = await issuerKey('key-2');

    expect(await refusalOf(verify(unknown))).toBe('unavailable');
    expect(await refusalOf(verify(unknown))).toBe('unavailable');
    expect((await verify()).ownerId).toBe('ada');
    expect(issuer.requests).toHaveLength(3);
  });

  it.each([
    ['of another issuer', { issuer: 'https://other.example' }],
    ['without keys', { jwks_uri: undefined }],
    ['with keys on another host, over plain HTTP', { jwks_uri: 'http://keys.example/keys' }],
    ['with keys in a file', { jwks_uri: 'file:///etc/passwd' }],
  ])('are not taken from metadata %s', async (_what, metadata) => {
    issuer.metadata = metadata;

    expect(await refusalOf(verify())).toBe('unavailable');
    expect(issuer.requests).toEqual(['/.well-known/openid-configuration']);
  });

  it('are not taken from a list of more than 100', async () => {
    const [key] = issuer.keys;
    issuer.keys = Array.from({ length: 101 }, (_, index) => ({ ...key!, jwk: { ...key!.jwk, kid: `key-${index}` } }));

    expect(await refusalOf(verify())).toBe('unavailable');
  });

  it('verify nothing when they are shared secrets, too short, or for another use', async () => {
    const [key] = issuer.keys;
    const published = (jwk: object) => ({ ...key!, jwk: jwk as IssuerKey['jwk'] });
    const secret = { kty: 'oct', k: 'AAAA', kid: 'key-1' };

    for (const jwk of [
      secret,
      { ...key!.jwk, use: 'enc' },
      { ...key!.jwk, alg: 'RS256' },
      { kty: 'EC', kid: 'key-1' },
    ]) {
      issuer.keys = [published(jwk)];
      trust();
      expect(await refusalOf(verify(key))).toBe('invalid_token');
    }
  });

  it.each(['RS256', 'PS384', 'ES512', 'EdDSA'] as const)('can be for %s', async (alg) => {
    issuer.keys = [await issuerKey('key-1', alg)];
    trust({ algorithms: [alg] });

    expect((await verify()).ownerId).toBe('ada');
  });
});

describe('The owner of a token of a trusted issuer', () => {
  let issuer: ForeignIssuer;

  beforeEach(async () => {
    issuer = await ForeignIssuer.start();
  });
  afterEach(() => issuer.close());

  const verify = async (options: Partial<TrustedIssuerOptions>, claims = {}, timeout = 30_000) =>
    trustIssuers([issuer.options(options)]).verify(await issuer.sign('ada', { claims }), issuer.url, {
      now: new Date(),
      timeout,
    });

  it.each([
    ['text', () => 'ada', 'ada'],
    ['a number', () => 7, '7'],
    ['a bigint', () => 9007199254740993n, '9007199254740993'],
    ['a promise', async () => 'ada', 'ada'],
  ])('can be %s', async (_what, owner, id) => {
    expect((await verify({ owner })).ownerId).toBe(id);
  });

  it.each([undefined, null, ''])('can be unknown: %p', async (id) => {
    expect(await refusalOf(verify({ owner: () => id }))).toBe('invalid_token');
  });

  it.each([Number.NaN, 2 ** 53, 1.5, {}, true])('cannot be %p', async (id) => {
    await expect(verify({ owner: () => id as string })).rejects.toThrow(
      'sigra: trustedIssuers[0].owner must return the id of a user, or undefined',
    );
  });

  it('has to be found in time', async () => {
    const never = new Promise<string>(() => undefined);
    let isAsked = false;
    const owner = () => {
      isAsked = true;
      return never;
    };

    expect(await refusalOf(verify({ owner }, {}, 3_000))).toBe('unavailable');
    expect(isAsked).toBe(true);
  });

  it('is not asked for a token that the application does not accept', async () => {
    const owner = () => {
      throw new Error('asked');
    };
    const accepts = ({ token_use: use }: Readonly<Record<string, unknown>>) => use === 'access';
    const promised = (async () => true) as unknown as () => boolean;

    expect(await refusalOf(verify({ accepts, owner }))).toBe('invalid_token');
    expect(await refusalOf(verify({ accepts: promised, owner }))).toBe('invalid_token');
    await expect(verify({ accepts, owner }, { token_use: 'access' })).rejects.toThrow('asked');
  });

  it('comes from an access token of Amazon Cognito, which names its client', async () => {
    const options = { audience: ['client-1', 'client-2'], audienceClaim: 'client_id' };
    const cognito = { aud: undefined, client_id: 'client-2' };

    expect((await verify(options, cognito)).ownerId).toBe('ada');
    expect(await refusalOf(verify(options, { aud: 'client-2' }))).toBe('invalid_token');
    expect(await refusalOf(verify(options, { ...cognito, client_id: 'client-3' }))).toBe('invalid_token');
  });

  it('has the scopes of a function, wildcards included', async () => {
    const scopes = ({ permissions }: Readonly<Record<string, unknown>>) => permissions as string[];

    expect((await verify({ scopes }, { permissions: ['read:*', 'admin'] })).scopes).toEqual(['read:*', 'admin']);
    await expect(verify({ scopes }, { permissions: 'admin' })).rejects.toThrow(
      'sigra: trustedIssuers[0].scopes must return an array of scopes',
    );
  });

  it('can come from an ID token where the options say so', async () => {
    expect(await refusalOf(verify({}, { at_hash: 'x' }))).toBe('invalid_token');
    expect((await verify({ idTokens: true }, { at_hash: 'x', nonce: 'n' })).ownerId).toBe('ada');
  });

  it('comes only from tokens of the types of the options', async () => {
    expect((await verify({ types: ['AT+JWT'] })).ownerId).toBe('ada');
    expect(await refusalOf(verify({ types: ['JWT'] }))).toBe('invalid_token');
  });
});
