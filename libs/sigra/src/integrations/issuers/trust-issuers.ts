import { later } from '../../common/clock.js';
import { ownerIdOf } from '../../common/principal.js';
import { Deadline } from '../../common/deadline.js';
import type { Moment } from '../../common/remote-keys.js';
import { refuse, type SigraError } from '../../common/sigra-error.js';
import { SigraConfigError } from '../../config/sigra-config-error.js';
import type { ForeignToken, TrustedIssuers } from '../../config/sigra-options.js';
import { ForeignTokenReader } from './foreign-token.reader.js';
import type { ForeignClaims, TrustedIssuerOptions } from './trusted-issuer.options.js';
import { type TrustedIssuer, trustedIssuerSection } from './trusted-issuer.section.js';

/**
 * Accepts JWTs of other issuers, such as Auth0, Keycloak, Amazon Cognito and Microsoft Entra, with the guards of Sigra. Needs the
 * package `jose`.
 *
 * @param issuers each has an `issuer` of its own
 * @returns the value of `trustedIssuers`
 * @throws SigraConfigError with the name of the option and its remedy
 *
 * @example
 * SigraModule.forRoot({
 *   users: { entity: User },
 *   apiTokens: { scopes: ['read:projects', 'write:projects'] },
 *   trustedIssuers: trustIssuers([
 *     { issuer: 'https://tenant.eu.auth0.com/', audience: 'https://api.example', owner: ({ sub }) => sub },
 *   ]),
 * })
 */
export function trustIssuers(issuers: readonly TrustedIssuerOptions[]): TrustedIssuers {
  if (!Array.isArray(issuers) || issuers.length === 0) {
    throw new SigraConfigError('trustedIssuers', 'must be an array of at least one issuer; leave it out for none');
  }
  const trusted = new Map<string, ForeignIssuer>();
  for (const [index, given] of issuers.entries()) {
    const path = `trustedIssuers[${index}]`;
    const issuer = trustedIssuerSection.resolve(path, given);
    if (trusted.has(issuer.issuer)) {
      throw new SigraConfigError(`${path}.issuer`, 'stands twice; give the issuer one entry with all its audiences');
    }
    trusted.set(issuer.issuer, new ForeignIssuer(issuer, path));
  }
  return {
    issuers: new Set(trusted.keys()),
    verify: async (jwt, issuer, within) => {
      const foreign = trusted.get(issuer);
      if (!foreign) throw refuse('invalid_token', 'The issuer is not trusted.');
      return foreign.verify(jwt, within);
    },
  };
}

/** One trusted issuer. */
class ForeignIssuer {
  private readonly reader: ForeignTokenReader;

  constructor(
    private readonly issuer: TrustedIssuer,
    private readonly path: string,
  ) {
    this.reader = new ForeignTokenReader(issuer);
  }

  async verify(jwt: string, moment: Moment): Promise<ForeignToken> {
    const deadline = Deadline.after(moment.timeout);
    const claims = await deadline.limit(this.reader.read(jwt, moment), late);
    const ownerId = await deadline.limit(this.ownerOf(claims), late);
    if (ownerId === undefined) throw refuse('invalid_token', 'The token belongs to no user of the application.');
    return {
      ownerId,
      scopes: this.scopesOf(claims),
      claims,
      issuedAt: later(new Date(claims.iat * 1000), -this.issuer.clockTolerance),
      endsAt: new Date(claims.exp * 1000),
    };
  }

  private async ownerOf(claims: ForeignClaims): Promise<string | undefined> {
    const id: unknown = await this.issuer.owner(claims);
    if (id === undefined || id === null || id === '') return undefined;
    const owner = ownerIdOf(id);
    if (owner !== undefined || typeof id === 'string') return owner;
    throw new TypeError(`sigra: ${this.path}.owner must return the id of a user, or undefined`);
  }

  private scopesOf(claims: ForeignClaims): readonly string[] {
    const scopes = this.issuer.scopes(claims);
    if (Array.isArray(scopes)) return scopes as readonly string[];
    throw new TypeError(`sigra: ${this.path}.scopes must return an array of scopes`);
  }
}

function late(): SigraError {
  return refuse('unavailable', 'The issuer did not answer in time.');
}
