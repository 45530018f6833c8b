import type { SigraConfig } from '../../config/sigra-config.js';
import type { AdminApiTokenView, ApiTokenAdminController } from '../../http/api-token-admin.controller.js';
import type { ApiTokenFilter } from '../../persistence/api-token-filter.js';
import type { RevokedApiTokens } from '../../tokens/matching-token.revoker.js';
import { json, type Operations, path, query } from './operation.js';
import {
  body,
  either,
  flag,
  id,
  instant,
  integer,
  list,
  named,
  nullable,
  object,
  oneOf,
  type Optional,
  optional,
  type Properties,
  text,
} from './schema.js';
import {
  nextCursor,
  orderParameter,
  PAGE_CODES,
  pageParameters,
  revoked,
  scopeList,
  tokenProperties,
} from './token.schemas.js';

const ADMINISTRATION = { tag: 'Administration' };
const OF_ID = [path('id', id())];
const ONLY = 'The user must be an administrator.';
const WITH_SCOPES = `${ONLY} The credential needs the scopes of the tokens, too.`;
const states = oneOf(['active', 'revoked', 'expired']);

const filterProperties: Properties<ApiTokenFilter> = {
  ownerType: optional(text({ description: 'The type of the owners. Without it, that of the users.' })),
  ownerId: optional(text({ description: 'The id of the owner.' })),
  creatorType: optional(text({ description: 'The type of who made tokens for another owner.' })),
  creatorId: optional(
    text({ description: 'The id of who made tokens for another owner: a user, without `creatorType`.' }),
  ),
  hint: optional(
    text({ description: 'The whole hint: the first four characters after the prefix, or what an import gave.' }),
  ),
  name: optional(text({ description: 'A part of the name, in any case.' })),
  prefix: optional(
    text({
      description: 'The prefix that tokens were created with; for imported ones the name of their format and a colon.',
    }),
  ),
  kind: optional(text({ description: 'The name of a kind.' })),
  scopes: optional(scopeList),
  unusedSince: optional(instant('Tokens that were created before and not used since.')),
  createdBefore: optional(instant('Tokens that were created before.')),
  expiresBefore: optional(instant('Tokens with an earlier expiry.')),
  hasExpiry: optional(flag({ description: 'Whether tokens have an expiry.' })),
  state: optional(states),
};

/** In a query, scopes are one string. */
const filterParameters = Object.entries(filterProperties as Readonly<Record<string, Optional<never>>>).map(
  ([name, { optional: schema }]) =>
    name === 'scopes'
      ? query(name, text(), 'Scopes that tokens grant, all of them, separated by spaces.')
      : query(name, schema),
);

const adminToken = named(
  'AdminApiToken',
  object<AdminApiTokenView>({
    ...tokenProperties,
    ownerType: text({ example: 'user' }),
    ownerId: text(),
    state: states,
    revokedAt: nullable(instant(), 'Null: it was not revoked, or its row is about to be marked.'),
    revokeReason: nullable(text(), 'Why it was revoked.'),
  }),
);

const foundToken = named('FoundApiToken', object<{ token: AdminApiTokenView }>({ token: adminToken }));

const revokeBody = body<{ filter: ApiTokenFilter; dryRun?: boolean; digest?: string }>({
  filter: body(filterProperties, {
    description: 'At least one member besides `state`, `ownerType` and `creatorType`.',
  }),
  dryRun: optional(flag({ description: 'True: count, and change nothing.' })),
  digest: optional(text({ description: 'In place of `dryRun`: the digest of the dry run, or of the answer before.' })),
});

/** The routes of administrators. */
export function adminOperations(config: SigraConfig): Operations<ApiTokenAdminController> {
  return {
    search: {
      ...ADMINISTRATION,
      summary: 'The tokens of all owners',
      description: `${ONLY} A page can be empty and have a \`nextCursor\`.`,
      parameters: [...filterParameters, orderParameter('newest'), ...pageParameters(config)],
      status: 200,
      answer: 'A page of tokens.',
      returns: named(
        'AdminApiTokenPage',
        object<{ tokens: AdminApiTokenView[]; nextCursor: string | null }>({ tokens: list(adminToken), nextCursor }),
      ),
      refusals: ['invalid_filter', ...PAGE_CODES, 'not_administrator'],
    },
    find: {
      ...ADMINISTRATION,
      summary: 'A token of any owner',
      description: ONLY,
      parameters: OF_ID,
      status: 200,
      answer: 'The token.',
      returns: foundToken,
      refusals: ['not_administrator', 'not_found'],
    },
    lookup: {
      ...ADMINISTRATION,
      summary: 'The token of a raw form',
      description: `${ONLY} It counts as no use of the token.`,
      body: json(named('LookUpApiToken', body<{ rawToken: string }>({ rawToken: text({ example: 'sigra_sk_…' }) }))),
      status: 200,
      answer: 'The token.',
      returns: foundToken,
      refusals: ['not_administrator', 'not_found'],
    },
    revoke: {
      ...ADMINISTRATION,
      summary: 'Revoke a token of any owner',
      description: WITH_SCOPES,
      parameters: OF_ID,
      status: 204,
      answer: 'Revoked.',
      returns: undefined,
      refusals: ['not_administrator', 'step_up_required', 'not_found', 'outcome_unknown'],
    },
    revokeMatching: {
      ...ADMINISTRATION,
      summary: 'Revoke the tokens that match a filter, or count them',
      description: WITH_SCOPES,
      body: json(named('RevokeMatchingApiTokens', revokeBody)),
      status: 200,
      answer: 'The count of a dry run, or the number of revoked tokens.',
      returns: either(
        named(
          'MatchingApiTokens',
          object<{ count: number; digest: string; sample: AdminApiTokenView[] }>({
            count: integer(),
            digest: text({ description: 'Names exactly these tokens.' }),
            sample: list(adminToken),
          }),
        ),
        named(
          'RevokedApiTokens',
          object<RevokedApiTokens>({
            revoked,
            remaining: integer({ description: 'Repeat with `digest` until it is 0.', example: 0 }),
            digest: text({ description: 'Of the tokens that are left.' }),
          }),
        ),
      ),
      refusals: ['invalid_filter', 'not_administrator', 'step_up_required', 'digest_mismatch', 'outcome_unknown'],
    },
  };
}
