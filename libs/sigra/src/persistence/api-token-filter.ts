import type { Parameters } from './sql.js';
import type { ApiTokenState } from './tables.js';

/** The tokens to find: those that match all given properties. */
export interface ApiTokenFilter {
  /** The type of the owners. @default `users.type` */
  readonly ownerType?: string | undefined;
  readonly ownerId?: string | undefined;
  /** The type of the owner who made the tokens for another one. @default with `creatorId`, `users.type` */
  readonly creatorType?: string | undefined;
  /** The owner who made the tokens for another one, such as a user for an organization. */
  readonly creatorId?: string | undefined;
  /** The whole hint, as lists show it: the first four characters after the prefix, or what an import gave. */
  readonly hint?: string | undefined;
  /** A part of the name, in any case: 1 to 255 characters. */
  readonly name?: string | undefined;
  /** The prefix that tokens were created with, such as an earlier `apiTokens.prefix`, or `sanctum:` for the imported tokens of a format. */
  readonly prefix?: string | undefined;
  /** The name of one of `apiTokens.kinds`. */
  readonly kind?: string | undefined;
  /** Scopes that a token grants, all of them, also by wildcards or by scopes that imply them: 1 to 256. */
  readonly scopes?: readonly string[] | undefined;
  /** Tokens that have not been used since, and were created before. Uses are recorded once per `activityUpdateThreshold`. */
  readonly unusedSince?: Date | undefined;
  readonly createdBefore?: Date | undefined;
  readonly expiresBefore?: Date | undefined;
  /** Whether a token has an expiry. */
  readonly hasExpiry?: boolean | undefined;
  readonly state?: ApiTokenState | undefined;
}

/** A filter with the scopes in another form: a token has at least one scope of each list. */
export type ResolvedTokenFilter = Omit<ApiTokenFilter, 'scopes'> & { readonly scopes?: readonly (readonly string[])[] };

/** SQL of a condition, without its value. */
type Condition = (value: string) => string;

/** Conditions that an index or the order of the list supports. */
export const INDEXED = {
  ownerId: (value) =>
    // Twice, because the indexes of owners are partial.
    `((t.owner_type = $1 AND t.owner_id = ${value} AND t.revoked_at IS NULL)
      OR (t.owner_type = $1 AND t.owner_id = ${value} AND t.revoked_at IS NOT NULL))`,
  hint: (value) => `t.hint = ${value}`,
  createdBefore: (value) => `t.created_at < ${value}`,
} as const satisfies { readonly [P in keyof ApiTokenFilter]?: Condition };

/** Conditions that are compared with each token. */
export const COMPARED = {
  creatorType: (value) => `t.creator_type = ${value}`,
  name: (value) => `position(lower(${value}) IN lower(t.name)) > 0`,
  prefix: (value) => `t.prefix = ${value}`,
  unusedSince: (value) => `coalesce(t.last_used_at, t.created_at) < ${value}`,
  expiresBefore: (value) => `t.expires_at < ${value}`,
  hasExpiry: (value) => `(t.expires_at IS NOT NULL) = ${value}`,
} as const satisfies { readonly [P in keyof ApiTokenFilter]?: Condition };

/** The conditions of the properties that a filter has. */
export function conditionsOf<P extends keyof ResolvedTokenFilter>(
  conditions: Readonly<Record<P, Condition>>,
  filter: ResolvedTokenFilter,
  parameters: Parameters,
): readonly string[] {
  return (Object.keys(conditions) as P[])
    .filter((property) => filter[property] !== undefined)
    .map((property) => conditions[property](parameters.add(filter[property])));
}
