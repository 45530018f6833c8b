import { Injectable } from '@nestjs/common';
import { baseUrlOf, isPlainUrl, RESOURCE_DOCUMENT, SERVER_DOCUMENT, wellKnownUrl } from '../config/metadata.section.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { JwkSet } from '../jwt/jwk-set.js';
import { MountedRoutes, OAUTH_ENDPOINTS } from './mounted.routes.js';
import { FrameworkHooks, type HookAnswer } from './framework.hooks.js';

/** For pages of every origin: the documents are public, and depend on no credential. */
export const CROSS_ORIGIN = { 'Access-Control-Allow-Origin': '*' };
/** Clients read a new key or endpoint after five minutes at the latest. */
export const CACHED = { 'Cache-Control': 'public, max-age=300' };
/** RFC 7517 section 8.5. */
export const JWK_SET_TYPE = 'application/jwk-set+json; charset=utf-8';

/** The answer to a preflight request. */
export const PREFLIGHT = {
  ...CROSS_ORIGIN,
  'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS',
  'Access-Control-Allow-Headers': '*',
};

const AUTH_METHODS = ['client_secret_basic', 'client_secret_post'];

/** A document that everybody can read. */
interface PublicDocument {
  readonly type: string;
  readonly body: object;
}

/**
 * Serves the documents that clients look for at the root of the host, with whatever prefix the application has: metadata of the
 * authorization server (RFC 8414) and of the protected resource (RFC 9728), and the keys (RFC 7517).
 *
 * They are answered before everything of the application: its CORS would refuse pages of other origins.
 */
@Injectable()
export class PublicDocuments {
  private isServed = false;
  private byPath: ReadonlyMap<string, PublicDocument> | undefined;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly jwks: JwkSet,
    private readonly routes: MountedRoutes,
    private readonly hooks: FrameworkHooks,
  ) {
    // The application gets its first chance to add middleware when it has been created.
    if (hooks.areReady) this.serve();
  }

  /** Call it before the application registers its routes. A testing module gets its adapter later than its providers. */
  serve(): void {
    if (this.isServed) return;
    this.isServed = true;
    if (this.documents().next().done) return;
    this.hooks.answerAlways((method, path) => answerTo(method, this.at(path)));
  }

  /** The application sets its prefix after its providers exist, and before the first request. */
  private at(path: string): PublicDocument | undefined {
    return (this.byPath ??= new Map(this.documents())).get(path);
  }

  private *documents(): Generator<readonly [string, PublicDocument]> {
    const keys = this.routes.below('jwks', 'jwks.json');
    if (keys !== undefined && this.config.jwt) yield [keys, { type: JWK_SET_TYPE, body: { keys: this.jwks.keys } }];
    const server = this.server();
    if (server) yield* documentsAt(server.issuer, SERVER_DOCUMENT, server);
    const resource = this.resource();
    if (resource) yield* documentsAt(resource.resource, RESOURCE_DOCUMENT, resource);
  }

  /** RFC 8414 section 2. An issuer that is not a URL has no metadata. */
  private server() {
    const { jwt, metadata, dpop } = this.config;
    if (!jwt || this.routes.below('oauth', '') === undefined || !isPlainUrl(jwt.issuer)) return undefined;
    const base = baseUrlOf(metadata, jwt.issuer) ?? '';
    const urlOf = (endpoint: keyof typeof OAUTH_ENDPOINTS) =>
      base + (this.routes.of('oauth', OAUTH_ENDPOINTS[endpoint]) ?? '');
    const keys = this.jwks.keys.length > 0 ? this.routes.below('jwks', 'jwks.json') : undefined;
    return {
      issuer: jwt.issuer,
      token_endpoint: urlOf('token'),
      revocation_endpoint: urlOf('revocation'),
      introspection_endpoint: urlOf('introspection'),
      ...(keys !== undefined && { jwks_uri: base + keys }),
      // Required, and empty: there is no authorization endpoint.
      response_types_supported: [],
      grant_types_supported: ['refresh_token', 'client_credentials'],
      token_endpoint_auth_methods_supported: ['none', ...AUTH_METHODS],
      revocation_endpoint_auth_methods_supported: ['none', ...AUTH_METHODS],
      introspection_endpoint_auth_methods_supported: [...AUTH_METHODS, 'Bearer'],
      // RFC 9449 section 5.1.
      ...(dpop && { dpop_signing_alg_values_supported: dpop.algorithms }),
      ...this.scopes(),
    };
  }

  /** RFC 9728 section 2. */
  private resource() {
    const { metadata, jwt, trustedIssuers, dpop } = this.config;
    if (metadata.resource === undefined) return undefined;
    const accepted = [...(jwt ? [jwt.issuer] : []), ...(trustedIssuers?.issuers ?? [])].filter(isPlainUrl);
    const servers = metadata.authorizationServers.length > 0 ? metadata.authorizationServers : accepted;
    // Access tokens of other issuers are bearer tokens in every mode, so what is said about keys would be wrong for their
    // clients.
    const isOwn = !trustedIssuers && servers.every((server) => server === jwt?.issuer);
    return {
      resource: metadata.resource,
      ...(servers.length > 0 && { authorization_servers: servers }),
      bearer_methods_supported: ['header'],
      ...(dpop &&
        isOwn && {
          dpop_signing_alg_values_supported: dpop.algorithms,
          // Of access tokens, which come from the servers above. API tokens, which do not, are bearer credentials in every mode.
          dpop_bound_access_tokens_required: dpop.required,
        }),
      ...this.scopes(),
    };
  }

  private scopes() {
    const { scopes } = this.config.metadata;
    return scopes.length > 0 ? { scopes_supported: scopes } : {};
  }
}

/** At the root, and with the path of the identifier inserted, if it has one. */
function* documentsAt(identifier: string, name: string, body: object): Iterable<readonly [string, PublicDocument]> {
  const document = { type: 'application/json; charset=utf-8', body };
  yield [`/.well-known/${name}`, document];
  yield [wellKnownUrl(identifier, name).pathname, document];
}

function answerTo(method: string, document: PublicDocument | undefined): HookAnswer | undefined {
  if (!document) return undefined;
  if (method === 'OPTIONS') return { status: 204, headers: PREFLIGHT, body: undefined };
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  const headers = { ...CROSS_ORIGIN, ...CACHED, 'Content-Type': document.type };
  return { status: 200, headers, body: document.body };
}
