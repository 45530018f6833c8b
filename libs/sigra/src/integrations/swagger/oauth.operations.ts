import type { JwksController } from '../../http/jwks.controller.js';
import type { LeakController } from '../../http/leak.controller.js';
import type { LeakVerdict } from '../../http/leak.responder.js';
import type { OAuthController } from '../../http/oauth.controller.js';
import type { AccessTokenResponse } from '../../http/token-response.js';
import type { Jwk } from '../../jwt/jwk-set.js';
import { tokenResponseProperties } from './jwt.operations.js';
import { form, header, json, type Operations } from './operation.js';
import { list, named, nullable, object, oneOf, optional, record, text } from './schema.js';

const OAUTH = { tag: 'OAuth' };
const CREDENTIALS = {
  client_id: optional(text({ description: 'The id of an API token.' })),
  client_secret: optional(text({ description: 'Its raw form. Or both in `Authorization` with the scheme Basic.' })),
};
const UNAVAILABLE =
  'temporarily_unavailable: nothing has changed. outcome_unknown: the answer of the database was lost.';
const INVALID_CLIENT = 'invalid_client.';

interface Client {
  client_id?: string;
  client_secret?: string;
}

const tokenForm = object<
  Client & {
    grant_type: 'refresh_token' | 'client_credentials';
    refresh_token?: string;
    scope?: string;
    resource?: string;
  }
>({
  grant_type: oneOf(['refresh_token', 'client_credentials']),
  refresh_token: optional(text({ description: 'With `refresh_token`.', example: 'sigra_rt_…' })),
  scope: optional(
    text({ description: 'Fewer scopes than the credential has, separated by spaces.', example: 'read:projects' }),
  ),
  resource: optional(text({ description: 'The API that the token is for (RFC 8707).' })),
  ...CREDENTIALS,
});

const token = text({ description: 'An API token, a refresh token or an access token.', example: 'sigra_rt_…' });
const tokenOnly = { token, token_type_hint: optional(text()), ...CREDENTIALS };

/** The members of RFC 7662 section 2.2; the application can add claims. */
const introspection = record({
  required: ['active'],
  properties: {
    active: { type: 'boolean' },
    sub: { type: 'string' },
    jti: { type: 'string' },
    scope: { type: 'string', example: 'read:projects' },
    iat: { type: 'integer', description: 'Seconds since 1970.' },
    exp: { type: 'integer', description: 'Seconds since 1970.' },
    token_type: { type: 'string' },
    allowed_ips: { type: 'array', items: { type: 'string' }, description: 'Where it is accepted from.' },
    allowed_resources: { type: 'array', items: { type: 'string' }, description: 'What its scopes are limited to.' },
    token_kind: { type: 'string', description: 'The kind of an API token.' },
  },
});

const { refresh_token, ...accessToken } = tokenResponseProperties;

/** The endpoints of RFC 6749, RFC 7009 and RFC 7662. */
export const oauthOperations: Operations<OAuthController> = {
  token: {
    ...OAUTH,
    summary: 'Get an access token (RFC 6749 sections 4.4 and 6)',
    description: 'A refresh token works once. If it is used again, its whole family is revoked.',
    body: form(named('TokenRequest', tokenForm)),
    status: 200,
    answer: 'The token response of RFC 6749 section 5.1.',
    returns: named(
      'TokenResponse',
      object<AccessTokenResponse & { refresh_token?: string }>({
        ...accessToken,
        refresh_token: optional(refresh_token),
      }),
    ),
    oauthErrors: {
      400: 'invalid_request, invalid_grant, invalid_scope, invalid_target or unsupported_grant_type.',
      401: INVALID_CLIENT,
      503: UNAVAILABLE,
    },
    accepts: ['none', 'clients'],
  },
  revoke: {
    ...OAUTH,
    summary: 'Revoke a token (RFC 7009)',
    body: form(named('RevocationRequest', object<Client & { token: string; token_type_hint?: string }>(tokenOnly))),
    status: 200,
    answer: 'The token is revoked, or it is unknown.',
    returns: record(),
    oauthErrors: { 400: 'invalid_request or unsupported_token_type.', 401: INVALID_CLIENT, 503: UNAVAILABLE },
    accepts: ['none', 'clients'],
  },
  introspect: {
    ...OAUTH,
    summary: 'Introspect a token (RFC 7662)',
    description: 'Scope: `oauth:introspect`, of a bearer credential or of the API token that is the client.',
    body: form(
      named(
        'IntrospectionRequest',
        object<Client & { token: string; token_type_hint?: string; ip_address?: string }>({
          ...tokenOnly,
          ip_address: optional(text({ description: 'Where the token was presented.', example: '192.0.2.7' })),
        }),
      ),
    ),
    status: 200,
    answer: 'The state of the token.',
    returns: named('Introspection', introspection),
    oauthErrors: {
      400: 'invalid_request.',
      401: 'invalid_client or invalid_token.',
      403: 'insufficient_scope.',
      503: UNAVAILABLE,
    },
    accepts: ['clients', 'apiTokens', 'accessTokens'],
  },
};

/** The public keys of RFC 7517. */
export const jwksOperations: Operations<JwksController> = {
  get: {
    ...OAUTH,
    summary: 'The public keys of JWTs (RFC 7517)',
    status: 200,
    answer: 'The keys. A shared secret is not among them.',
    returns: named('JwkSet', object<{ keys: readonly Jwk[] }>({ keys: list(record()) })),
    type: 'application/jwk-set+json',
  },
};

/** The members of an entry of a report. Only the token is read. */
interface LeakEntry {
  token: string;
  type?: string;
  url?: string;
  source?: string;
}

const leakEntry = {
  token: text(),
  type: optional(text()),
  url: optional(text()),
  source: optional(text()),
};

/** The endpoint for reports of GitHub's secret scanning. */
export const leakOperations: Operations<LeakController> = {
  report: {
    tag: 'Leak reports',
    summary: "Receive a report of GitHub's secret scanning",
    parameters: [
      header('Github-Public-Key-Identifier', text(), 'The key that the report is signed with.'),
      header('Github-Public-Key-Signature', text(), 'The signature of the bytes of the body.'),
    ],
    body: json(named('LeakReport', list(object<LeakEntry>(leakEntry)))),
    status: 200,
    answer: 'Which of the strings are credentials of the application.',
    returns: list(
      named(
        'LeakVerdict',
        object<LeakVerdict>({
          token_hash: text({ description: 'SHA-256 of the string, in hex.' }),
          token_type: nullable(text(), 'The `type` of the report.'),
          label: oneOf(['true_positive', 'false_positive']),
        }),
      ),
    ),
    refusals: ['invalid_request', 'invalid_signature', 'unavailable', 'outcome_unknown'],
  },
};
