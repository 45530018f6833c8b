import { MAX_ALLOWED_IPS } from '../../common/allowed-ips.js';
import type { Owner } from '../../common/principal.js';
import { MAX_RESOURCES } from '../../common/resource-limit.js';
import type { SigraErrorCode } from '../../common/sigra-error.js';
import type { SigraConfig } from '../../config/sigra-config.js';
import type { ApiTokenView } from '../../http/api-token.controller.js';
import type { ListOrder } from '../../common/cursor.js';
import { MAX_DESCRIPTION_LENGTH, MAX_NAME_LENGTH } from '../../persistence/tables.js';
import type { RequestedProperties } from '../../tokens/token-properties.js';
import { header, type Parameter, query } from './operation.js';
import {
  id,
  instant,
  integer,
  list,
  named,
  nullable,
  object,
  oneOf,
  optional,
  type Properties,
  record,
  type Schema,
  text,
} from './schema.js';

export const scopeList = list(text(), { minItems: 1, example: ['read:projects'] });
export const nextCursor = nullable(text(), 'The cursor of the next page. Null on the last page.');
export const revoked = integer({ minimum: 0, example: 3 });

const description = text({ maxLength: MAX_DESCRIPTION_LENGTH, example: 'Deploys the web shop' });
const allowedIps = nullable(
  list(text(), { minItems: 1, maxItems: MAX_ALLOWED_IPS, example: ['192.0.2.0/24', '2001:db8::/32'] }),
  'The IP addresses and CIDR ranges that it is accepted from. Null: all addresses.',
);
const resources = nullable(
  list(text(), { minItems: 1, maxItems: MAX_RESOURCES, example: ['project:42'] }),
  'The resources that its scopes are limited to. Null: all resources.',
);

/** The properties of a token, as a request has them. */
export const requestedProperties: Properties<RequestedProperties> = {
  name: text({ minLength: 1, maxLength: MAX_NAME_LENGTH, example: 'CI' }),
  description: optional(nullable(description, 'What it is for.')),
  metadata: optional(nullable(record(), 'Data of your own.')),
  scopes: scopeList,
  allowedIps: optional(allowedIps),
  resources: optional(resources),
};

export const expiresAt = (absence: string) =>
  optional(nullable(instant(), `ISO 8601 with a time zone; null for a token that does not expire. ${absence}`));

export const tokenProperties: Properties<ApiTokenView> = {
  id: id(),
  originId: nullable(id(), 'The first token of the rotations that led to this one. Null: it was not made by rotation.'),
  name: text({ example: 'CI' }),
  description: nullable(description, 'What it is for.'),
  metadata: record({ description: 'Data of your own.' }),
  kind: nullable(text(), 'The kind of the token. Null: the application has only one.'),
  prefix: text(),
  hint: text({ description: 'The first characters after the prefix.', example: '3fT9' }),
  // An empty list is possible, where a maker was narrowed.
  scopes: list(text(), { example: ['read:projects'] }),
  allowedIps: nullable(list(text(), { example: ['192.0.2.0/24'] }), 'Where it is accepted from. Null: everywhere.'),
  resources,
  expiresAt: nullable(instant(), 'Null: the token does not expire.'),
  lastUsedAt: nullable(instant(), 'Null: the token has not been used.'),
  lastUsedIp: nullable(text(), 'The address of its last use.'),
  replacedBy: nullable(id(), 'The token that replaced it by rotation.'),
  madeBy: nullable(
    object<NonNullable<ApiTokenView['madeBy']>>({ type: oneOf(['api_token', 'refresh_family']), id: id() }),
    'The credential that made it, and with which it is revoked. Null: a person or the application made it.',
  ),
  creator: optional(
    object<Owner>(
      { type: text({ example: 'user' }), id: text() },
      {
        description:
          'The owner that made it, if it is another one, such as the user who made a token of an organization.',
      },
    ),
  ),
  createdAt: instant(),
};

export const apiToken: Schema<ApiTokenView> = named('ApiToken', object(tokenProperties));

export const issuedToken = named(
  'IssuedApiToken',
  object<{ rawToken: string; token: ApiTokenView }>({
    // The example does not have the form of a token.
    rawToken: text({ description: 'Shown only here.', example: 'sigra_sk_…' }),
    token: apiToken,
  }),
);

export const revokedCount = named('RevokedCount', object<{ revoked: number }>({ revoked }));

/** The codes of a request for a page. */
export const PAGE_CODES = ['invalid_limit', 'invalid_cursor'] as const satisfies SigraErrorCode[];

/** The codes of the properties of a token. */
export const PROPERTY_CODES = [
  'name_required',
  'name_too_long',
  'invalid_name',
  'description_too_long',
  'invalid_description',
  'invalid_metadata',
  'invalid_allowed_ips',
  'invalid_resources',
  'scopes_required',
  'invalid_scope_format',
  'unregistered_scopes',
  'invalid_kind',
  'expiry_required',
  'expiry_in_past',
  'invalid_expiry',
  'ttl_exceeded',
] as const satisfies SigraErrorCode[];

export function pageParameters({ apiTokens }: SigraConfig): readonly Parameter[] {
  const { defaultPageSize, maxPageSize } = apiTokens;
  return [
    query('limit', integer({ minimum: 1, maximum: maxPageSize, default: defaultPageSize })),
    query('cursor', text(), '`nextCursor` of the page before.'),
  ];
}

export function orderParameter(usual: ListOrder): Parameter {
  return query('order', oneOf(['newest', 'oldest'], { default: usual }), 'By the time of creation.');
}

export const idempotencyKey = header(
  'Idempotency-Key',
  text({ minLength: 16, maxLength: 255 }),
  'Repeats the answer to a request with the same key, for ten minutes. It is a secret.',
);
