import { isUtf8 } from 'node:buffer';
import { Injectable } from '@nestjs/common';
import { Authenticator } from '../auth/authenticator.js';
import { splitAuthorization } from '../auth/authorization-header.js';
import type { HttpRequest } from '../auth/http-exchange.js';
import type { Principal } from '../common/principal.js';
import { isBadCredential, SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { invalidClient, OAuthError } from './oauth-error.js';
import type { OAuthParameters } from './oauth-request.js';

/** Credentials of a client, and the challenge of their refusal. */
interface ClientCredentials {
  readonly id: string;
  readonly secret: string;
  readonly challenge: string | undefined;
}

/** One description for everything that is wrong with a client: the answer must not reveal which tokens exist. */
const INVALID_CLIENT = 'The client credentials are invalid, revoked or expired.';
/** RFC 6749 section 2.3.1: never in the URL, which logs and proxies keep. */
const BODY_ONLY = ['client_secret', 'client_assertion', 'refresh_token', 'token'];
const BASE64 = /^ +([A-Za-z0-9+/]+={0,2}) *$/;

/**
 * Authenticates OAuth clients. A confidential client is an API token: `client_id` is its id, `client_secret` its raw form, in the
 * header (`client_secret_basic`) or in the body (`client_secret_post`) of RFC 6749 section 2.3.1.
 */
@Injectable()
export class OAuthClientAuthenticator {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly authenticator: Authenticator,
  ) {}

  /**
   * Finds the principal of a client. A secret that is sent is checked, wherever it stands, so that a client cannot believe in a
   * check that did not happen.
   *
   * @param bearer whether a bearer credential, or one with a proof, is another way to authenticate here. If not, it is
   * ignored: clients that send one with every request do not mean it as client authentication
   * @returns undefined for a public client
   * @throws OAuthError `invalid_client`; `invalid_request` for two ways at once, and for a secret or a token in the URL
   * @throws SigraError `invalid_request` for several `Authorization` headers, `unavailable`
   */
  async authenticate(
    request: HttpRequest,
    parameters: OAuthParameters,
    bearer: 'ignored' | 'counts' = 'ignored',
  ): Promise<Principal | undefined> {
    assertNothingInUrl(request);
    const credentials = this.credentialsOf(request, parameters, bearer);
    if (!credentials) return undefined;
    const { id, secret, challenge } = credentials;
    try {
      return await this.authenticator.authenticateClient(id, secret, request);
    } catch (error) {
      throw this.refusalOf(error, challenge);
    }
  }

  /**
   * The refusal of a client whose API token is not valid, or not any more; any other error as it is.
   *
   * @param challenge undefined for a client that did not authenticate in a header
   */
  refusalOf(error: unknown, challenge: string | undefined): unknown {
    return error instanceof SigraError && isBadCredential(error) ? invalidClient(INVALID_CLIENT, challenge) : error;
  }

  /** The challenge for `client_secret_basic` (RFC 7617 section 2). */
  get challenge(): string {
    return `Basic realm="${this.config.realm}"`;
  }

  private credentialsOf(
    request: HttpRequest,
    { client_id: id, client_secret: secret, client_assertion: assertion, client_assertion_type: type }: OAuthParameters,
    bearer: 'ignored' | 'counts',
  ): ClientCredentials | undefined {
    const header = splitAuthorization(request);
    const scheme = header?.scheme.toLowerCase();
    const isToken = scheme === 'bearer' || scheme === 'dpop';
    const inBody = secret !== undefined || assertion !== undefined || type !== undefined;
    if (inBody && header && !(isToken && bearer === 'ignored')) {
      throw new OAuthError(400, 'invalid_request', 'A client authenticates in one way only.');
    }
    if (header && !isToken) {
      const found = scheme === 'basic' ? basicCredentials(header.rest) : undefined;
      if (!found) throw invalidClient(INVALID_CLIENT, this.challenge);
      if (id !== undefined && id !== found.id) {
        throw new OAuthError(400, 'invalid_request', 'The header and the body name different clients.');
      }
      return { ...found, challenge: this.challenge };
    }
    if (!inBody) return undefined;
    if (assertion !== undefined || type !== undefined || secret === undefined || id === undefined) {
      throw invalidClient(INVALID_CLIENT);
    }
    return { id, secret, challenge: undefined };
  }
}

function assertNothingInUrl({ url = '' }: HttpRequest): void {
  const query = new URLSearchParams(url.slice(url.indexOf('?') + 1));
  const found = url.includes('?') ? BODY_ONLY.find((name) => query.has(name)) : undefined;
  if (found !== undefined) throw new OAuthError(400, 'invalid_request', `The parameter ${found} stands in the URL.`);
}

/**
 * Reads the credentials of the scheme Basic (RFC 7617 section 2). Both parts are encoded as in a form (RFC 6749 section
 * 2.3.1), which leaves ids and raw tokens as they are.
 */
function basicCredentials(rest: string): { readonly id: string; readonly secret: string } | undefined {
  const encoded = BASE64.exec(rest)?.[1];
  if (encoded === undefined) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  const text = isUtf8(bytes) ? bytes.toString('utf8') : '';
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  try {
    const [id, secret] = [text.slice(0, colon), text.slice(colon + 1)].map(decodeURIComponent) as [string, string];
    return { id, secret };
  } catch {
    return undefined;
  }
}
