import type { SigraConfig } from '../../config/sigra-config.js';
import type {
  ApiTokenController,
  ApiTokenView,
  OwnerTokenController,
  ScopeController,
  ScopeListView,
  TokenKindView,
} from '../../http/api-token.controller.js';
import type { ScopeDetails } from '../../scopes/scope-registry.js';
import type { CreateApiToken } from '../../tokens/api-token.issuer.js';
import type { RotateApiToken } from '../../tokens/api-token.rotator.js';
import type { UpdateApiToken } from '../../tokens/api-token.updater.js';
import { json, type Operation, type Operations, path } from './operation.js';
import { body, flag, id, integer, list, named, nullable, object, optional, text } from './schema.js';
import {
  apiToken,
  expiresAt,
  idempotencyKey,
  issuedToken,
  nextCursor,
  orderParameter,
  PAGE_CODES,
  pageParameters,
  PROPERTY_CODES,
  requestedProperties,
  revokedCount,
  scopeList,
} from './token.schemas.js';

/** The longest grace period of a rotation, in seconds. */
const MAX_GRACE = 2_592_000;

const API_TOKENS = { tag: 'API tokens' };
const OF_ID = [path('id', id())];
const MANAGERS = 'Only for users who manage the owner: for others, it does not exist.';
const OWN_SCOPES = 'A token can only manage tokens whose scopes it holds itself.';

const { scopes, ...others } = requestedProperties;
const { name, ...optionalProperties } = others;
const kind = optional(nullable(text(), 'The kind of the token. Required if the application has several.'));

const createBody = named(
  'CreateApiToken',
  body<Omit<CreateApiToken, 'idempotencyKey'>>({
    ...requestedProperties,
    kind,
    expiresAt: expiresAt('Without it, the default of the application.'),
  }),
);

const updateBody = named(
  'UpdateApiToken',
  body<UpdateApiToken>({
    ...optionalProperties,
    name: optional(name),
    scopes: optional(scopes),
    expiresAt: expiresAt('An earlier time than before.'),
  }),
);

const rotateBody = named(
  'RotateApiToken',
  body<Omit<RotateApiToken, 'idempotencyKey'>>({
    graceSeconds: optional(
      integer({
        minimum: 0,
        maximum: MAX_GRACE,
        default: 0,
        description: 'How long the old token stays valid, in seconds.',
        example: 3600,
      }),
    ),
    expiresAt: expiresAt('Without it, the new token lives as long as the old one did.'),
  }),
);

/** The routes of the API tokens of their owner. */
export function tokenOperations(config: SigraConfig): Operations<ApiTokenController> {
  return {
    list: {
      ...API_TOKENS,
      summary: 'Your active tokens',
      parameters: [...pageParameters(config), orderParameter('oldest')],
      status: 200,
      answer: 'A page of tokens.',
      returns: named(
        'ApiTokenPage',
        object<{ tokens: ApiTokenView[]; nextCursor: string | null }>({ tokens: list(apiToken), nextCursor }),
      ),
      refusals: [...PAGE_CODES, 'invalid_filter'],
    },
    create: {
      ...API_TOKENS,
      summary: 'Create a token',
      description: 'A token can only grant scopes that it holds itself.',
      parameters: [idempotencyKey],
      body: json(createBody),
      status: 201,
      answer: 'The token, and its raw form, which is shown only here.',
      returns: issuedToken,
      refusals: [
        ...PROPERTY_CODES,
        'kind_required',
        'invalid_idempotency_key',
        'too_many_tokens',
        'too_many_makers',
        'idempotency_key_reused',
        'outcome_unknown',
      ],
    },
    revokeAll: {
      ...API_TOKENS,
      summary: 'Revoke all your tokens',
      description: OWN_SCOPES,
      status: 200,
      answer: 'The number of revoked tokens.',
      returns: revokedCount,
      refusals: ['outcome_unknown'],
    },
    revoke: {
      ...API_TOKENS,
      summary: 'Revoke a token',
      description: `The next request with the token is refused. ${OWN_SCOPES}`,
      parameters: OF_ID,
      status: 204,
      answer: 'Revoked.',
      returns: undefined,
      refusals: ['not_found', 'outcome_unknown'],
    },
    update: {
      ...API_TOKENS,
      summary: 'Change a token',
      description: `Scopes and addresses can be narrowed, and the expiry moved to an earlier time. ${OWN_SCOPES}`,
      parameters: OF_ID,
      body: json(updateBody),
      status: 200,
      answer: 'The token.',
      returns: named('ChangedApiToken', object<{ token: ApiTokenView }>({ token: apiToken })),
      refusals: [...PROPERTY_CODES, 'not_found', 'outcome_unknown'],
      exceptions: { 409: ['token_revoked', 'token_expired'] },
    },
    rotate: {
      ...API_TOKENS,
      summary: 'Replace a token',
      description: `The new token has the same properties and lifetime. ${OWN_SCOPES}`,
      parameters: [...OF_ID, idempotencyKey],
      body: json(rotateBody, false),
      status: 201,
      answer: 'The new token, and its raw form, which is shown only here.',
      returns: issuedToken,
      refusals: [
        'invalid_grace',
        'invalid_kind',
        'expiry_required',
        'expiry_in_past',
        'invalid_expiry',
        'ttl_exceeded',
        'invalid_idempotency_key',
        'not_found',
        'too_many_makers',
        'idempotency_key_reused',
        'outcome_unknown',
      ],
      exceptions: { 409: ['token_revoked', 'token_expired'] },
    },
  };
}

/** The routes of the API tokens of another owner. */
export function ownerTokenOperations(config: SigraConfig): Operations<OwnerTokenController> {
  const types = config.ownerTypes.map(({ type }) => type).filter((type) => type !== config.users.type);
  const ofOwner = [path('ownerType', text(types.length > 0 ? { enum: types } : {})), path('ownerId', text())];
  const describe = <T>(own: Operation<T>, summary: string): Operation<T> => ({
    ...own,
    summary,
    description: [MANAGERS, own.description].filter((sentence) => sentence !== undefined).join(' '),
    parameters: [...ofOwner, ...(own.parameters ?? [])],
    refusals: [...new Set([...(own.refusals ?? []), 'not_found' as const])],
  });
  const { list, create, revokeAll, revoke, update, rotate } = tokenOperations(config);
  return {
    list: describe(list, 'The active tokens of an owner'),
    create: describe(create, 'Create a token of an owner'),
    revokeAll: describe(revokeAll, 'Revoke all tokens of an owner'),
    revoke: describe(revoke, 'Revoke a token of an owner'),
    update: describe(update, 'Change a token of an owner'),
    rotate: describe(rotate, 'Replace a token of an owner'),
  };
}

/** The route of the scopes that a token can have. */
export const scopeOperations: Operations<ScopeController> = {
  list: {
    ...API_TOKENS,
    summary: 'The scopes that a token can have',
    status: 200,
    answer: 'All scopes, their descriptions, and the kinds of tokens.',
    returns: named(
      'ScopeList',
      object<ScopeListView>({
        scopes: list(text()),
        catalogue: list(
          object<ScopeDetails>({
            name: text({ example: 'read:projects' }),
            title: nullable(text(), 'A short text for people.'),
            description: nullable(text(), 'What the scope allows.'),
            implies: list(text(), { description: 'Scopes that it grants as well.' }),
            group: nullable(text(), 'The heading of the scope in a form.'),
            danger: flag({ description: 'Whether a form should warn.' }),
          }),
        ),
        kinds: list(
          object<TokenKindView>({
            name: nullable(text(), 'Null where the application configures no kinds.'),
            prefix: text({ example: 'sigra_sk_' }),
            scopes: nullable(scopeList, 'The most that a token of the kind can have. Null: all scopes.'),
            ownerTypes: nullable(list(text()), 'The types of owners that can have one. Null: all types.'),
            requireExpiry: flag({ description: 'Whether every token needs an expiry.' }),
            maxTtl: nullable(integer({ minimum: 1 }), 'The longest lifetime, in seconds. Null: no limit.'),
          }),
        ),
      }),
    ),
  },
};
