import type { sigraSchemas } from './sigra-schemas.js';

type SchemaName = keyof typeof sigraSchemas | 'RefusalDto';

const content = (schema: SchemaName) => ({
  'application/json': { schema: { $ref: `#/components/schemas/${schema}` } },
});
const answer = (description: string, schema?: SchemaName) => ({
  description,
  ...(schema && { content: content(schema) }),
});
const refusal = (description: string) => answer(description, 'RefusalDto');
const body = (schema: SchemaName, required = true) => ({ required, content: content(schema) });

const readScope = 'Scope: `api_tokens:read`.';
const writeScope = 'Scope: `api_tokens:write`.';
const unauthorized = refusal('No credential, or one that is unknown, revoked or expired.');
const forbidden = refusal('The credential lacks a scope, or a session acts from another origin.');
const notFound = refusal('No such token, or somebody else’s.');
const idParameter = { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } };

const form = (schema: SchemaName) => ({
  required: true,
  content: { 'application/x-www-form-urlencoded': { schema: { $ref: `#/components/schemas/${schema}` } } },
});
const oauthError = (description: string) => answer(description, 'OAuthError');

const SIGN_IN_TAG = { tags: ['JWT'] };
const TAG = { tags: ['API tokens'] };
const PATH = '/api/tokens';

/** Sigra's ready-made routes under the paths that `AppModule` mounts them at. */
export const sigraOperations = [
  {
    ...TAG,
    method: 'get',
    path: PATH,
    summary: 'Your active tokens, oldest first',
    description: readScope,
    parameters: [
      { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 200, default: 50 } },
      { name: 'cursor', in: 'query', schema: { type: 'string' }, description: '`nextCursor` of the page before.' },
    ],
    responses: {
      200: answer('A page of tokens.', 'ApiTokenPage'),
      400: refusal('A wrong limit or cursor.'),
      401: unauthorized,
      403: forbidden,
    },
  },
  {
    ...TAG,
    method: 'post',
    path: PATH,
    summary: 'Create a token',
    description: `${writeScope} A token can only grant scopes that it holds itself.`,
    requestBody: body('CreateApiToken'),
    responses: {
      201: answer('The token, and its raw form for the only time.', 'IssuedApiToken'),
      400: refusal('What is wrong with the name, the scopes or the time of expiry.'),
      401: unauthorized,
      403: forbidden,
    },
  },
  {
    ...TAG,
    method: 'delete',
    path: PATH,
    summary: 'Revoke all your tokens',
    description: writeScope,
    responses: { 200: answer('How many were revoked.', 'RevokedCount'), 401: unauthorized, 403: forbidden },
  },
  {
    ...TAG,
    method: 'delete',
    path: `${PATH}/{id}`,
    summary: 'Revoke a token',
    description: `${writeScope} The next request with it is refused.`,
    parameters: [idParameter],
    responses: { 204: answer('Revoked.'), 401: unauthorized, 403: forbidden, 404: notFound },
  },
  {
    ...TAG,
    method: 'post',
    path: `${PATH}/{id}/rotate`,
    summary: 'Replace a token',
    description: `${writeScope} The new one has the same name, scopes and length of life.`,
    parameters: [idParameter],
    requestBody: body('RotateApiToken', false),
    responses: {
      201: answer('The new token, and its raw form for the only time.', 'IssuedApiToken'),
      400: refusal('A wrong grace.'),
      401: unauthorized,
      403: forbidden,
      404: notFound,
      409: refusal('The token is revoked, expired or replaced already.'),
    },
  },
  {
    ...TAG,
    method: 'get',
    path: '/api/scopes',
    summary: 'The scopes that a token can be given',
    responses: { 200: answer('All of them.', 'ScopeList'), 401: unauthorized },
  },
  {
    ...SIGN_IN_TAG,
    method: 'post',
    path: '/api/jwt',
    summary: 'Sign a program in: a JWT and a refresh token',
    description: 'Sessions only.',
    requestBody: body('CreateJwt'),
    responses: {
      200: answer('The token response of RFC 6749 section 5.1.', 'TokenResponse'),
      400: refusal('What is wrong with the scopes.'),
      401: unauthorized,
      403: forbidden,
    },
  },
  {
    ...SIGN_IN_TAG,
    method: 'post',
    path: '/oauth/token',
    summary: 'Exchange a refresh token for a new pair (RFC 6749 section 6)',
    description: 'A refresh token works once. One that comes back signs the program out.',
    security: [],
    requestBody: form('RefreshGrant'),
    responses: {
      200: answer('A new pair.', 'TokenResponse'),
      400: oauthError('invalid_request, invalid_grant, invalid_scope or unsupported_grant_type.'),
      503: oauthError('The database did not answer, and the refresh token was not used.'),
    },
  },
  {
    ...SIGN_IN_TAG,
    method: 'post',
    path: '/oauth/revoke',
    summary: 'Revoke a refresh token or an API token (RFC 7009)',
    security: [],
    requestBody: form('TokenForm'),
    responses: { 200: answer('Revoked, or no token of ours.'), 400: oauthError('A JWT, or no token at all.') },
  },
  {
    ...SIGN_IN_TAG,
    method: 'post',
    path: '/oauth/introspect',
    summary: 'Ask what a token is good for (RFC 7662)',
    description: 'Scope: `oauth:introspect`, and no session.',
    security: [{ token: [] }],
    requestBody: form('TokenForm'),
    responses: {
      200: answer('What it is good for now.', 'Introspection'),
      400: oauthError('No token.'),
      401: unauthorized,
      403: forbidden,
    },
  },
  {
    ...SIGN_IN_TAG,
    method: 'get',
    path: '/.well-known/jwks.json',
    summary: 'The public keys of JWTs (RFC 7517); none with a shared secret, which the demo uses',
    security: [],
    responses: { 200: answer('The keys.', 'JwkSet') },
  },
] as const;
