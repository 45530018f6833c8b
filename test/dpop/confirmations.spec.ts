import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DpopClient } from '../support/dpop-client.js';
import { closeJwtApps } from '../support/jwt-app.js';
import { ecKey, signWithJose, standardClaims } from '../support/jwt-forge.js';
import { type OAuthApp, startOAuthApp } from '../support/oauth-app.js';

const BASE = 'https://api.example';
const KEY = ecKey('key-1');

/** What another service that signs with the same key could put into `cnf` (RFC 7800). */
describe('An access token with the confirmation', () => {
  let off: OAuthApp;
  let optional: OAuthApp;
  let client: DpopClient;
  let introspector: string;

  beforeAll(async () => {
    const keys = [KEY.option];
    off = await startOAuthApp({ keys });
    const shared = { databaseUrl: off.databaseUrl, clock: off.clock };
    optional = await startOAuthApp({ keys, dpop: { mode: 'optional', baseUrls: [BASE] } }, shared);
    client = new DpopClient(() => off.clock.now());
    const { rawToken } = await off.tokens.create(off.user, { name: 'RS', scopes: ['oauth:introspect'] });
    introspector = `Bearer ${rawToken}`;
  });
  afterAll(closeJwtApps);

  it.each<[string, () => unknown, object]>([
    ['of a key', () => ({ jkt: client.thumbprint }), { isActive: true, isAcceptedWithProof: true }],
    ['of another key', () => ({ jkt: 'x'.repeat(43) }), { isActive: true }],
    ['of a certificate', () => ({ 'x5t#S256': 'x'.repeat(43) }), {}],
    ['of a key and a certificate', () => ({ jkt: client.thumbprint, 'x5t#S256': 'x'.repeat(43) }), {}],
    ['of a text that is not a thumbprint', () => ({ jkt: 'x' }), {}],
    ['of a number', () => ({ jkt: 7 }), {}],
    ['of nothing', () => ({}), {}],
    ['null', () => null, {}],
    ['of an array', () => [client.thumbprint], {}],
    ['of a text', () => client.thumbprint, {}],
  ])('%s is active only where it is accepted', async (_what, cnf, accepted) => {
    const { jwt } = await signWithJose(KEY, { ...standardClaims(off.user.id, off.clock.now()), cnf: cnf() });
    const headers = () => client.headers('GET', `${BASE}/notes/me`, jwt);
    const outcomeOf = async (app: OAuthApp) => {
      const { body } = await app.post('introspect', { token: jwt }, { authorization: introspector });
      return {
        isActive: (body as { active: boolean }).active,
        isAcceptedAsBearer: (await app.present(jwt)).ok,
        isAcceptedWithProof: (await fetch(`${app.url}/notes/me`, { headers: headers() })).ok,
      };
    };

    const refused = { isActive: false, isAcceptedAsBearer: false, isAcceptedWithProof: false };
    expect(await outcomeOf(off)).toEqual(refused);
    expect(await outcomeOf(optional)).toEqual({ ...refused, ...accepted });
  });
});
