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
const unauthorized = refusal('The credential is missing, unknown, revoked or expired.');
const forbidden = refusal('The credential lacks a scope, or a session is used from another origin.');
const notFound = refusal('The id does not exist, or belongs to another user.');
const idParameter = { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } };

const idempotencyParameter = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  schema: { type: 'string', minLength: 16, maxLength: 255 },
  description: 'Repeats the answer of a request with the same key, for ten minutes.',
};

const pageParameters = [
  { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 200, default: 50 } },
  { name: 'cursor', in: 'query', schema: { type: 'string' }, description: '`nextCursor` of the previous page.' },
];

const form = (schema: SchemaName) => ({
  required: true,
  content: { 'application/x-www-form-urlencoded': { schema: { $ref: `#/components/schemas/${schema}` } } },
});
const oauthError = (description: string) => answer(description, 'OAuthError');

const API_TOKENS = { tags: ['API tokens'] };
const ADMIN = { tags: ['Admin'] };
const JWTS = { tags: ['JWT'] };
const PATH = '/api/tokens';
const ADMIN_PATH = '/api/admin/tokens';

const adminScope = 'Scope: `api_tokens:admin`. The user must be an administrator.';
const adminOnly = refusal('The credential lacks a scope, or the user is not an administrator.');
const filterParameter = (name: string, description: string, schema: object = { type: 'string' }) => ({
  name,
  in: 'query',
  schema,
  description,
});
const time = { type: 'string', format: 'date-time' };
const filterParameters = [
  filterParameter('ownerId', 'The id of the owner.'),
  filterParameter('hint', 'The first four characters after the prefix.'),
  filterParameter('name', 'A part of the name, in any case.'),
  filterParameter('prefix', 'The prefix that tokens were created with.'),
  filterParameter('scopes', 'Scopes that tokens grant, all of them, separated by spaces.'),
  filterParameter('unusedSince', 'Tokens that were created before and not used since.', time),
  filterParameter('createdBefore', 'Tokens that were created before.', time),
  filterParameter('expiresBefore', 'Tokens with an earlier expiry.', time),
  filterParameter('hasExpiry', 'Whether tokens have an expiry.', { type: 'boolean' }),
  filterParameter('state', 'What has become of them.', { type: 'string', enum: ['active', 'revoked', 'expired'] }),
  filterParameter('order', 'By the time of creation.', {
    type: 'string',
    enum: ['newest', 'oldest'],
    default: 'newest',
  }),
];

/** Sigra's ready-made routes, under the paths that `AppModule` sets. */
export const sigraOperations = [
  {
    ...API_TOKENS,
    method: 'get',
    path: PATH,
    summary: 'Your active tokens, oldest first',
    description: readScope,
    parameters: pageParameters,
    responses: {
      200: answer('A page of tokens.', 'ApiTokenPage'),
      400: refusal('The limit or the cursor is invalid.'),
      401: unauthorized,
      403: forbidden,
    },
  },
  {
    ...API_TOKENS,
    method: 'post',
    path: PATH,
    summary: 'Create a token',
    description: `${writeScope} A token can only grant scopes that it holds itself.`,
    parameters: [idempotencyParameter],
    requestBody: body('CreateApiToken'),
    responses: {
      201: answer('The token, and its raw form, which is shown only here.', 'IssuedApiToken'),
      400: refusal('A property is invalid.'),
      401: unauthorized,
      403: forbidden,
      409: refusal('You have as many active tokens as one owner can have.'),
      422: refusal('The `Idempotency-Key` was used for another request.'),
    },
  },
  {
    ...API_TOKENS,
    method: 'delete',
    path: PATH,
    summary: 'Revoke all your tokens',
    description: writeScope,
    responses: { 200: answer('The number of revoked tokens.', 'RevokedCount'), 401: unauthorized, 403: forbidden },
  },
  {
    ...API_TOKENS,
    method: 'delete',
    path: `${PATH}/{id}`,
    summary: 'Revoke a token',
    description: `${writeScope} The next request with the token is refused.`,
    parameters: [idParameter],
    responses: { 204: answer('Revoked.'), 401: unauthorized, 403: forbidden, 404: notFound },
  },
  {
    ...API_TOKENS,
    method: 'patch',
    path: `${PATH}/{id}`,
    summary: 'Change a token',
    description: `${writeScope} Scopes can be narrowed, and the expiry moved to an earlier time.`,
    parameters: [idParameter],
    requestBody: body('UpdateApiToken'),
    responses: {
      200: answer('The token.', 'ChangedApiToken'),
      400: refusal('A property is invalid, or the expiry is later than before.'),
      401: unauthorized,
      403: forbidden,
      404: notFound,
      409: refusal('The token is revoked, expired or already replaced.'),
    },
  },
  {
    ...API_TOKENS,
    method: 'post',
    path: `${PATH}/{id}/rotate`,
    summary: 'Replace a token',
    description: `${writeScope} The new token has the same properties and lifetime.`,
    parameters: [idParameter, idempotencyParameter],
    requestBody: body('RotateApiToken', false),
    responses: {
      201: answer('The new token, and its raw form, which is shown only here.', 'IssuedApiToken'),
      400: refusal('`graceSeconds` or `expiresAt` is invalid.'),
      401: unauthorized,
      403: forbidden,
      404: notFound,
      409: refusal('The token is revoked, expired or already replaced.'),
      422: refusal('The `Idempotency-Key` was used for another request.'),
    },
  },
  {
    ...ADMIN,
    method: 'get',
    path: ADMIN_PATH,
    summary: 'The tokens of all users',
    description: `${adminScope} A page can be empty and have a \`nextCursor\`.`,
    parameters: [...filterParameters, ...pageParameters],
    responses: {
      200: answer('A page of tokens.', 'AdminApiTokenPage'),
      400: refusal('The filter, the limit or the cursor is invalid.'),
      401: unauthorized,
      403: adminOnly,
    },
  },
  {
    ...ADMIN,
    method: 'get',
    path: `${ADMIN_PATH}/{id}`,
    summary: 'A token of any user',
    description: adminScope,
    parameters: [idParameter],
    responses: {
      200: answer('The token.', 'FoundApiToken'),
      401: unauthorized,
      403: adminOnly,
      404: refusal('The id does not exist.'),
    },
  },
  {
    ...ADMIN,
    method: 'post',
    path: `${ADMIN_PATH}/lookup`,
    summary: 'The token of a raw form',
    description: `${adminScope} It counts as no use of the token.`,
    requestBody: body('LookUpApiToken'),
    responses: {
      200: answer('The token.', 'FoundApiToken'),
      401: unauthorized,
      403: adminOnly,
      404: refusal('The string is not a token of this application.'),
    },
  },
  {
    ...ADMIN,
    method: 'delete',
    path: `${ADMIN_PATH}/{id}`,
    summary: 'Revoke a token of any user',
    description: `${adminScope} The credential needs the scopes of the token, too.`,
    parameters: [idParameter],
    responses: { 204: answer('Revoked.'), 401: unauthorized, 403: adminOnly, 404: refusal('The id does not exist.') },
  },
  {
    ...ADMIN,
    method: 'post',
    path: `${ADMIN_PATH}/revoke`,
    summary: 'Revoke the tokens that match a filter, or count them',
    description: `${adminScope} The credential needs the scopes of these tokens, too.`,
    requestBody: body('RevokeMatchingApiTokens'),
    responses: {
      200: answer('The count of a dry run, or the number of revoked tokens.', 'MatchingApiTokens'),
      400: refusal('The filter is empty or invalid.'),
      401: unauthorized,
      403: adminOnly,
      409: refusal('Another number of tokens matches.'),
    },
  },
  {
    ...API_TOKENS,
    method: 'get',
    path: '/api/scopes',
    summary: 'The scopes that a token can have',
    responses: { 200: answer('All scopes.', 'ScopeList'), 401: unauthorized },
  },
  {
    ...JWTS,
    method: 'post',
    path: '/api/jwt',
    summary: 'Create a JWT and a refresh token',
    description: 'Sessions only.',
    requestBody: body('CreateJwt'),
    responses: {
      200: answer('The token response of RFC 6749 section 5.1.', 'TokenResponse'),
      400: refusal('The scopes are invalid.'),
      401: unauthorized,
      403: forbidden,
    },
  },
  {
    ...JWTS,
    method: 'get',
    path: '/api/jwt',
    summary: 'Your sign-ins with refresh tokens, newest first',
    description: 'Scope: `sessions:read`.',
    parameters: pageParameters,
    responses: {
      200: answer('A page of sign-ins.', 'FamilyPage'),
      400: refusal('The limit or the cursor is invalid.'),
      401: unauthorized,
      403: forbidden,
    },
  },
  {
    ...JWTS,
    method: 'delete',
    path: '/api/jwt',
    summary: 'End all your sign-ins with refresh tokens',
    description: 'Scope: `sessions:write`.',
    responses: { 200: answer('The number of sign-ins that ended.', 'RevokedCount'), 401: unauthorized, 403: forbidden },
  },
  {
    ...JWTS,
    method: 'delete',
    path: '/api/jwt/{id}',
    summary: 'End a sign-in',
    description: 'Scope: `sessions:write`, and the scopes of the sign-in.',
    parameters: [idParameter],
    responses: { 204: answer('Ended.'), 401: unauthorized, 403: forbidden, 404: notFound },
  },
  {
    ...JWTS,
    method: 'post',
    path: '/oauth/token',
    summary: 'Exchange a refresh token for a new pair (RFC 6749 section 6)',
    description: 'A refresh token works once. If it is used again, its whole family is revoked.',
    security: [],
    requestBody: form('RefreshGrant'),
    responses: {
      200: answer('A new pair.', 'TokenResponse'),
      400: oauthError('invalid_request, invalid_grant, invalid_scope or unsupported_grant_type.'),
      503: oauthError('The database did not answer. The refresh token is unused.'),
    },
  },
  {
    ...JWTS,
    method: 'post',
    path: '/oauth/revoke',
    summary: 'Revoke a refresh token, an access token or an API token (RFC 7009)',
    security: [],
    requestBody: form('TokenForm'),
    responses: {
      200: answer('The token is revoked, or it is unknown.'),
      400: oauthError('The token is missing, or it is an access token that belongs to an API token.'),
      401: oauthError('The client credentials are not valid.'),
    },
  },
  {
    ...JWTS,
    method: 'post',
    path: '/oauth/introspect',
    summary: 'Introspect a token (RFC 7662)',
    description:
      'Scope: `oauth:introspect`, of a bearer credential, or of an API token whose id and raw form are sent as `client_id` and `client_secret`. Sessions are refused.',
    security: [{ token: [] }],
    requestBody: form('IntrospectForm'),
    responses: {
      200: answer('The state of the token.', 'Introspection'),
      400: oauthError('The token is missing.'),
      401: unauthorized,
      403: forbidden,
    },
  },
  {
    ...JWTS,
    method: 'get',
    path: '/.well-known/jwks.json',
    summary: 'The public keys of JWTs (RFC 7517). The demo signs with a shared secret, so it has none',
    security: [],
    responses: { 200: answer('The keys.', 'JwkSet') },
  },
] as const;
