/** A token, as the API lists it. Times are in ISO 8601. */
export interface Token {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly kind: string | null;
  readonly prefix: string;
  /** The first characters after the prefix. */
  readonly hint: string;
  readonly scopes: readonly string[];
  /** Null for all addresses. */
  readonly allowedIps: readonly string[] | null;
  /** Null for all resources. */
  readonly resources: readonly string[] | null;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
  readonly lastUsedIp: string | null;
  /** The id of the token that replaces it after a rotation. */
  readonly replacedBy: string | null;
  readonly createdAt: string;
  /** The credential that made it. Null for a person or the application. */
  readonly madeBy: { readonly type: 'api_token' | 'refresh_family'; readonly id: string } | null;
  /** Who made it, if that was another owner, such as a user of the organization. */
  readonly creator?: TokenOwner;
}

/** Whom a token belongs to, or who made it. */
export interface TokenOwner {
  readonly type: string;
  readonly id: string;
}

export interface Scope {
  readonly name: string;
  readonly title: string | null;
  readonly description: string | null;
  readonly implies: readonly string[];
  readonly group: string | null;
  readonly danger: boolean;
}

/** The rules of a kind of tokens. */
export interface Kind {
  /** Null where the application configures no kinds. */
  readonly name: string | null;
  /** The most that a token can have. Null for all scopes. */
  readonly scopes: readonly string[] | null;
  /** The types of owners that can have one. Null for all types. */
  readonly ownerTypes: readonly string[] | null;
  readonly requireExpiry: boolean;
  /** In seconds. Null for no limit. */
  readonly maxTtl: number | null;
}

/** What a token can be given. */
export interface TokenChoices {
  readonly catalogue: readonly Scope[];
  readonly kinds: readonly Kind[];
}

export interface TokenPage {
  readonly tokens: readonly Token[];
  readonly nextCursor: string | null;
}

/** A token and its raw form. */
export interface IssuedToken {
  readonly rawToken: string;
  readonly token: Token;
}

/** What people see of a raw token. */
export function maskOf({ prefix, hint }: Token): string {
  return `${prefix}${hint}…`;
}
