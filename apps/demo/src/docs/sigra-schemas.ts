import type { OpenAPIObject } from '@nestjs/swagger';

type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;

const id = { type: 'string', format: 'uuid', example: '019b76da-a800-7000-8000-000000000001' };
const instant = { type: 'string', format: 'date-time' };
const maybe = (schema: object, description: string) => ({ ...schema, nullable: true, description });
const scopes = { type: 'array', items: { type: 'string' }, example: ['read:projects'] };
const description = maybe({ type: 'string', maxLength: 1000, example: 'Deploys the web shop' }, 'What it is for.');
const metadata = { type: 'object', additionalProperties: true, description: 'Data of your own.' };
const allowedIps = maybe(
  { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 50, example: ['192.0.2.0/24', '2001:db8::/32'] },
  'The IP addresses and CIDR ranges that it is accepted from. Null: all addresses.',
);
const resources = maybe(
  { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 100, example: ['project:42', 'document:*'] },
  'The resources that its scopes are limited to. Null: all resources.',
);
const nextCursor = maybe({ type: 'string' }, 'The cursor of the next page; null on the last page.');

const adminToken = { $ref: '#/components/schemas/AdminApiToken' };
const filter = {
  type: 'object',
  additionalProperties: false,
  description: 'The parameters of the search; at least one besides `state`.',
  properties: {
    ownerId: { type: 'string' },
    hint: { type: 'string' },
    name: { type: 'string' },
    prefix: { type: 'string' },
    scopes,
    unusedSince: instant,
    createdBefore: instant,
    expiresBefore: instant,
    hasExpiry: { type: 'boolean' },
    state: { type: 'string', enum: ['active', 'revoked', 'expired'] },
  },
};

/** The bodies that Sigra's ready-made routes accept and answer with. */
export const sigraSchemas = {
  ApiToken: {
    type: 'object',
    required: [
      'id',
      'originId',
      'name',
      'description',
      'metadata',
      'kind',
      'prefix',
      'hint',
      'scopes',
      'allowedIps',
      'resources',
      'expiresAt',
      'lastUsedAt',
      'lastUsedIp',
      'replacedBy',
      'madeBy',
      'createdAt',
    ],
    properties: {
      id,
      originId: maybe(id, 'The first token of the rotations that led to this one. Null: it was not made by rotation.'),
      name: { type: 'string', example: 'CI' },
      description,
      metadata,
      kind: maybe({ type: 'string' }, 'The kind of the token. Null: the application has only one.'),
      prefix: { type: 'string', example: 'sigra_sk_' },
      hint: { type: 'string', example: '3fT9', description: 'The first characters after the prefix.' },
      scopes,
      allowedIps,
      resources,
      expiresAt: maybe(instant, 'Null: the token does not expire.'),
      lastUsedAt: maybe(instant, 'Null: the token has not been used.'),
      lastUsedIp: maybe({ type: 'string' }, 'The address of its last use.'),
      replacedBy: maybe(id, 'The id of the token that replaced it by rotation.'),
      madeBy: maybe(
        {
          type: 'object',
          required: ['type', 'id'],
          properties: { type: { type: 'string', enum: ['api_token', 'refresh_family'] }, id },
        },
        'The credential that made it, and with which it is revoked. Null: a person made it.',
      ),
      createdAt: instant,
    },
  },
  ApiTokenPage: {
    type: 'object',
    required: ['tokens', 'nextCursor'],
    properties: { tokens: { type: 'array', items: { $ref: '#/components/schemas/ApiToken' } }, nextCursor },
  },
  AdminApiToken: {
    allOf: [
      { $ref: '#/components/schemas/ApiToken' },
      {
        type: 'object',
        required: ['ownerId', 'state', 'revokedAt', 'revokeReason'],
        properties: {
          ownerId: { type: 'string' },
          state: { type: 'string', enum: ['active', 'revoked', 'expired'] },
          revokedAt: maybe(instant, 'Null: it was not revoked, or its row is about to be marked.'),
          revokeReason: maybe({ type: 'string' }, 'Why it was revoked.'),
        },
      },
    ],
  },
  AdminApiTokenPage: {
    type: 'object',
    required: ['tokens', 'nextCursor'],
    properties: { tokens: { type: 'array', items: adminToken }, nextCursor },
  },
  FoundApiToken: { type: 'object', required: ['token'], properties: { token: adminToken } },
  LookUpApiToken: {
    type: 'object',
    required: ['rawToken'],
    additionalProperties: false,
    properties: { rawToken: { type: 'string' } },
  },
  RevokeMatchingApiTokens: {
    type: 'object',
    required: ['filter'],
    additionalProperties: false,
    properties: {
      filter,
      dryRun: { type: 'boolean', description: 'True: count, and change nothing.' },
      expectedCount: { type: 'integer', minimum: 0, description: 'Instead of `dryRun`: the count of the dry run.' },
    },
  },
  MatchingApiTokens: {
    type: 'object',
    properties: {
      count: { type: 'integer', description: 'Of a dry run.' },
      sample: { type: 'array', items: adminToken, description: 'Of a dry run: the first ten.' },
      revoked: { type: 'integer', example: 3 },
      remaining: { type: 'integer', description: 'Repeat with this `expectedCount` until it is 0.', example: 0 },
    },
  },
  CreateApiToken: {
    type: 'object',
    required: ['name', 'scopes'],
    additionalProperties: false,
    properties: {
      name: { type: 'string', minLength: 1, maxLength: 255, example: 'CI' },
      description,
      metadata,
      scopes: { ...scopes, minItems: 1 },
      allowedIps,
      resources,
      expiresAt: maybe(instant, 'ISO 8601 with a time zone. Without it, the token does not expire.'),
    },
  },
  UpdateApiToken: {
    type: 'object',
    additionalProperties: false,
    properties: {
      name: { type: 'string', minLength: 1, maxLength: 255, example: 'CI' },
      description,
      metadata: { ...metadata, nullable: true },
      scopes: { ...scopes, minItems: 1 },
      allowedIps,
      resources,
      expiresAt: maybe(instant, 'ISO 8601 with a time zone; an earlier time than before.'),
    },
  },
  ChangedApiToken: {
    type: 'object',
    required: ['token'],
    properties: { token: { $ref: '#/components/schemas/ApiToken' } },
  },
  RotateApiToken: {
    type: 'object',
    additionalProperties: false,
    properties: {
      graceSeconds: {
        type: 'integer',
        minimum: 0,
        maximum: 2_592_000,
        default: 0,
        description: 'How long the old token still works, in seconds.',
      },
      expiresAt: maybe(
        instant,
        'ISO 8601 with a time zone. Without it, the new token lives as long as the old one did.',
      ),
    },
  },
  IssuedApiToken: {
    type: 'object',
    required: ['rawToken', 'token'],
    properties: {
      rawToken: { type: 'string', description: 'Shown only here.', example: 'sigra_sk_…' },
      token: { $ref: '#/components/schemas/ApiToken' },
    },
  },
  RevokedCount: {
    type: 'object',
    required: ['revoked'],
    properties: { revoked: { type: 'integer', example: 3 } },
  },
  Family: {
    type: 'object',
    required: ['id', 'scopes', 'ipAddress', 'userAgent', 'createdAt', 'refreshedAt', 'expiresAt', 'current'],
    properties: {
      id,
      scopes,
      ipAddress: maybe({ type: 'string' }, 'Where it began.'),
      userAgent: maybe({ type: 'string' }, 'The browser or program in which it began.'),
      createdAt: instant,
      refreshedAt: instant,
      expiresAt: instant,
      current: { type: 'boolean', description: 'Whether this request has an access token of it.' },
    },
  },
  FamilyPage: {
    type: 'object',
    required: ['families', 'nextCursor'],
    properties: { families: { type: 'array', items: { $ref: '#/components/schemas/Family' } }, nextCursor },
  },
  ScopeList: {
    type: 'object',
    required: ['scopes', 'catalogue'],
    properties: {
      scopes,
      catalogue: {
        type: 'array',
        items: {
          type: 'object',
          required: ['name', 'title', 'description', 'implies', 'group', 'danger'],
          properties: {
            name: { type: 'string', example: 'read:projects' },
            title: maybe({ type: 'string', example: 'List your projects' }, 'A short text for people.'),
            description: maybe({ type: 'string' }, 'What the scope allows.'),
            implies: { ...scopes, description: 'Scopes that it grants as well.' },
            group: maybe({ type: 'string' }, 'The heading of the scope in a form.'),
            danger: { type: 'boolean', description: 'Whether a form should warn.' },
          },
        },
      },
    },
  },
  CreateJwt: {
    type: 'object',
    required: ['scopes'],
    additionalProperties: false,
    properties: { scopes: { ...scopes, minItems: 1 } },
  },
  TokenResponse: {
    type: 'object',
    required: ['access_token', 'token_type', 'expires_in', 'refresh_token', 'scope'],
    properties: {
      access_token: { type: 'string', description: 'A JWT (RFC 9068).' },
      token_type: { type: 'string', enum: ['Bearer'] },
      expires_in: { type: 'integer', description: 'In seconds.', example: 900 },
      refresh_token: { type: 'string', example: 'sigra_rt_…' },
      scope: { type: 'string', example: 'read:projects' },
    },
  },
  RefreshGrant: {
    type: 'object',
    required: ['grant_type', 'refresh_token'],
    properties: {
      grant_type: { type: 'string', enum: ['refresh_token'] },
      refresh_token: { type: 'string' },
      scope: { type: 'string', description: 'A subset of the scopes for the new JWT, separated by spaces.' },
    },
  },
  TokenForm: {
    type: 'object',
    required: ['token'],
    properties: { token: { type: 'string' }, token_type_hint: { type: 'string' } },
  },
  IntrospectForm: {
    type: 'object',
    required: ['token'],
    properties: {
      token: { type: 'string' },
      token_type_hint: { type: 'string' },
      ip_address: {
        type: 'string',
        example: '192.0.2.7',
        description: 'Where the token was presented. Without it, a token that is limited to addresses is not active.',
      },
    },
  },
  Introspection: {
    type: 'object',
    required: ['active'],
    properties: {
      active: { type: 'boolean' },
      sub: { type: 'string' },
      scope: { type: 'string' },
      allowed_ips: { type: 'array', items: { type: 'string' }, description: 'The addresses that it is accepted from.' },
      allowed_resources: {
        type: 'array',
        items: { type: 'string' },
        description: 'The resources that its scopes are limited to.',
      },
      exp: { type: 'integer', description: 'Seconds since 1970.' },
    },
  },
  JwkSet: {
    type: 'object',
    required: ['keys'],
    properties: { keys: { type: 'array', items: { type: 'object' } } },
  },
  OAuthError: {
    type: 'object',
    required: ['error', 'error_description'],
    properties: { error: { type: 'string', example: 'invalid_grant' }, error_description: { type: 'string' } },
  },
} satisfies Schemas;
