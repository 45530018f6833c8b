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
] as const;
