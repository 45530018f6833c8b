import { describe, expect, it } from '@jest/globals';
import { SigraConfigError } from '../../config/sigra-config-error.js';
import { trustIssuers } from './trust-issuers.js';
import type { TrustedIssuerOptions } from './trusted-issuer.options.js';
import { trustedIssuerSection } from './trusted-issuer.section.js';

const ISSUER = { issuer: 'https://issuer.example', audience: 'api', owner: () => 'ada' };

const trust = (changes: object) => () => trustIssuers([{ ...ISSUER, ...changes }]);
const sourceOf = (changes: Partial<TrustedIssuerOptions>) =>
  trustedIssuerSection.resolve('trustedIssuers[0]', { ...ISSUER, ...changes }).source;

describe('trustIssuers', () => {
  it.each([undefined, [], 'https://issuer.example', {}])('refuses %p in place of issuers', (issuers) => {
    expect(() => trustIssuers(issuers as never)).toThrow(
      new SigraConfigError('trustedIssuers', 'must be an array of at least one issuer; leave it out for none'),
    );
  });

  it.each<[object, string]>([
    [{ issuer: undefined }, '[0].issuer must be a non-empty string, for example "https://tenant.eu.auth0.com/"'],
    [{ issuer: 'ada' }, '[0].issuer has no metadata, because it is not an https URL without credentials'],
    [{ issuer: 'http://issuer.example' }, '[0].issuer has no metadata, because it is not an https URL'],
    [{ audience: undefined }, '[0].audience must be a non-empty string, or an array of them; without an audience'],
    [{ audience: [] }, '[0].audience must be a non-empty string, or an array of them'],
    [{ audience: ['api', ''] }, '[0].audience must be a non-empty string, or an array of them'],
    [{ audienceClaim: '' }, '[0].audienceClaim must be a non-empty string'],
    [{ algorithms: ['HS256'] }, '[0].algorithms has the string "HS256"; use asymmetric algorithms: RS256, RS384'],
    [{ algorithms: ['none'] }, '[0].algorithms has the string "none"; use asymmetric algorithms'],
    [{ algorithms: [] }, '[0].algorithms is empty, so every token would be refused'],
    [{ types: ['application/jwt'] }, '[0].types has the string "application/jwt"; a type looks like "at+jwt"'],
    [{ types: [] }, '[0].types is empty'],
    [
      { jwksUri: 'http://issuer.example/keys' },
      '[0].jwksUri must be an https URL without credentials (plain http only',
    ],
    [{ jwksUri: 'https://ada:secret@issuer.example' }, '[0].jwksUri must be an https URL without credentials'],
    [{ jwksUri: 'http://127.0.0.1.example/keys' }, '[0].jwksUri must be an https URL'],
    [{ jwksUri: 'file:///keys', allowInsecure: true }, '[0].jwksUri must be an https URL'],
    [{ discovery: 'saml' }, '[0].discovery must be an https URL'],
    [{ jwksUri: 'https://issuer.example/keys', discovery: 'openid' }, '[0].discovery stands beside jwksUri'],
    [{ keysMaxAge: 599 }, '[0].keysMaxAge must be an integer number of seconds from 600'],
    [{ clockTolerance: 301 }, '[0].clockTolerance must be an integer number of seconds from 0 to 300, not 301'],
    [
      { owner: undefined },
      '[0].owner must be a function that returns the id of a user, not undefined; for example ({ sub }) => sub',
    ],
    [{ scopes: ['admin'] }, '[0].scopes must be a function of the claims that returns scopes, not an array'],
    [{ accepts: true }, '[0].accepts must be a function of the claims, not true'],
    [{ secret: 'x' }, '[0].secret is not an option; known are: issuer, audience'],
  ])('refuses %p, and names the option and the remedy', (changes, message) => {
    expect(trust(changes)).toThrow(SigraConfigError);
    expect(trust(changes)).toThrow(`sigra: trustedIssuers${message}`);
  });

  it('refuses an issuer that stands twice', () => {
    expect(() => trustIssuers([ISSUER, { ...ISSUER, audience: 'other' }])).toThrow(
      'sigra: trustedIssuers[1].issuer stands twice; give the issuer one entry with all its audiences',
    );
  });

  it('accepts plain HTTP from this host, and from others where the options say so', () => {
    for (const host of ['localhost:8080', '127.0.0.1', '[::1]:80', 'keycloak.localhost']) {
      expect(trust({ issuer: `http://${host}` })).not.toThrow();
    }
    expect(trust({ issuer: 'http://keycloak.internal', allowInsecure: true })).not.toThrow();
  });

  it('finds metadata by the rules of OpenID Connect and of RFC 8414, and keys without metadata', () => {
    const issuer = 'https://issuer.example/realms/one/';
    const wellKnown = 'https://issuer.example/.well-known/oauth-authorization-server/realms/one';

    expect(sourceOf({ issuer })).toEqual({ metadataUrl: `${issuer}.well-known/openid-configuration` });
    expect(sourceOf({ issuer, discovery: 'oauth' })).toEqual({ metadataUrl: wellKnown });
    expect(sourceOf({ issuer: 'ada', discovery: wellKnown })).toEqual({ metadataUrl: wellKnown });
    expect(sourceOf({ issuer: 'ada', jwksUri: 'https://keys.example/?p=1' })).toEqual({
      jwksUri: 'https://keys.example/?p=1',
    });
  });
});
