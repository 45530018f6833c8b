import { refuse } from './sigra-error.js';
import { isWellFormed, prefixOf, tokenPattern } from './token-format.js';

/** The rules for the lifetime of tokens. Times are in seconds. */
export interface TokenRules {
  readonly requireExpiry: boolean;
  readonly maxTtl: number | undefined;
  readonly defaultTtl: number | undefined;
  /** An unused token expires after this time. */
  readonly idleTtl: number | undefined;
}

/** A kind of API tokens. */
export interface TokenKind extends TokenRules {
  /** Null for the only kind of an application that configures none. */
  readonly name: string | null;
  /** Of new tokens. */
  readonly prefix: string;
  /** Of earlier tokens. */
  readonly acceptPrefixes: readonly string[];
  /** Of the rows of tokens that were imported from other systems. No raw token has them. */
  readonly importedPrefixes: readonly string[];
  /** The scopes that its tokens can have at most; undefined for no limit. */
  readonly scopes: readonly string[] | undefined;
  /** The types of the owners that can get its tokens; undefined for all. */
  readonly ownerTypes: readonly string[] | undefined;
}

/**
 * The kinds of API tokens of an application. The prefix of a token tells its kind, because the hash of the token covers it.
 * No prefix begins with another one.
 */
export class TokenKinds {
  /** The names. Empty if the application configures no kinds. */
  readonly names: readonly string[];
  private readonly byPrefix: ReadonlyMap<string, TokenKind>;
  private readonly byStoredPrefix: ReadonlyMap<string, TokenKind>;
  /** Matches the beginning of every token, in one step for all prefixes. */
  private readonly beginning: RegExp;
  /** The only kind of an application that configures none. */
  private readonly unnamed: TokenKind | undefined;

  /** @param others the rules for tokens whose prefix is not configured any more */
  constructor(
    readonly all: readonly TokenKind[],
    readonly others: TokenRules,
  ) {
    this.names = all.flatMap(({ name }) => name ?? []);
    this.unnamed = all.find(({ name }) => name === null);
    this.byPrefix = new Map(all.flatMap((kind) => prefixesOf(kind).map((prefix) => [prefix, kind] as const)));
    this.byStoredPrefix = new Map(
      all.flatMap((kind) => storedPrefixesOf(kind).map((prefix) => [prefix, kind] as const)),
    );
    // Prefixes have no characters that are special in a regular expression.
    this.beginning = new RegExp(`^(?:${[...this.byPrefix.keys()].join('|')})`);
  }

  /** Whether a credential has a prefix of API tokens. */
  recognizes(credential: string): boolean {
    return this.beginning.test(credential);
  }

  /** Whether a value has the format of a token of one of the kinds. */
  isWellFormed(value: unknown): value is string {
    if (typeof value !== 'string') return false;
    const prefix = prefixOf(value);
    return this.byPrefix.has(prefix) && isWellFormed(value, prefix);
  }

  /** All prefixes of all kinds. */
  get prefixes(): readonly string[] {
    return [...this.byPrefix.keys()];
  }

  /** A regular expression that finds the tokens of all kinds, also those with earlier prefixes. */
  pattern(): RegExp {
    return tokenPattern(...this.byPrefix.keys());
  }

  /** The kind of a stored token; undefined if its prefix is not configured any more. */
  of({ prefix }: { readonly prefix: string }): TokenKind | undefined {
    return this.unnamed ?? this.byStoredPrefix.get(prefix);
  }

  /** The rules for a stored token. */
  rulesOf(token: { readonly prefix: string }): TokenRules {
    return this.of(token) ?? this.others;
  }

  /** The prefixes in the rows of all kinds. */
  get storedPrefixes(): readonly string[] {
    return [...this.byStoredPrefix.keys()];
  }

  /** The prefixes in the rows of a kind; none for an unknown one. */
  prefixesOf(name: string): readonly string[] {
    return this.all.filter((kind) => kind.name === name).flatMap(storedPrefixesOf);
  }

  /** Whether the lifetime of some tokens is limited. */
  get limitLifetimes(): boolean {
    return [...this.all, this.others].some(({ requireExpiry, maxTtl }) => requireExpiry || maxTtl !== undefined);
  }

  /** The rules for all tokens, by the prefix in their rows, and those for all other prefixes. */
  get rulesByPrefix(): readonly (readonly [prefix: string | null, TokenRules])[] {
    return [...this.byStoredPrefix, [null, this.others]];
  }

  /** Whether unused tokens of some kind expire. */
  get limitIdleness(): boolean {
    return this.rulesByPrefix.some(([, { idleTtl }]) => idleTtl !== undefined);
  }

  /** Adds the name of its kind to a row, which nothing else has a reference to. */
  label<T extends { readonly prefix: string }>(row: T): T & { readonly kind: string | null } {
    // Not Object.assign, which takes longer: every request with a token labels a row.
    const labelled = row as T & { kind: string | null };
    labelled.kind = this.of(row)?.name ?? null;
    return labelled;
  }

  /**
   * The kind of a new token.
   *
   * @param name undefined or null for the only kind that owners of the type can have
   * @throws SigraError `kind_required`, `invalid_kind`
   */
  parse(name: unknown, ownerType: string): TokenKind {
    const isAbsent = name === undefined || name === null;
    const all = this.all.filter((kind) => isFor(kind, ownerType));
    const names = all.flatMap((kind) => kind.name ?? []);
    const [first, ...more] = all;
    const kind = isAbsent ? first : all.find((each) => each.name === name);
    if (isAbsent && more.length > 0) throw refuse('kind_required', `A token needs a kind: ${names.join(', ')}.`);
    if (kind) return kind;
    if (this.names.length === 0) throw refuse('invalid_kind', 'The kind of a token is not a property of tokens here.');
    throw refuse(
      'invalid_kind',
      names.length > 0
        ? `The kind of this owner's tokens is one of ${names.join(', ')}.`
        : 'This owner can have no tokens.',
    );
  }
}

/** Whether owners of a type can get tokens of a kind. */
export function isFor({ ownerTypes }: TokenKind, ownerType: string): boolean {
  return ownerTypes?.includes(ownerType) ?? true;
}

/** The kind of a token, for the metadata of its audit rows: nothing without one. */
export function kindMember({ kind }: { readonly kind: string | null }): { readonly kind?: string } {
  return kind === null ? {} : { kind };
}

/** All prefixes of the raw tokens of a kind. */
export function prefixesOf({
  prefix,
  acceptPrefixes,
}: Pick<TokenKind, 'prefix' | 'acceptPrefixes'>): readonly string[] {
  return [prefix, ...acceptPrefixes];
}

/** All prefixes in the rows of a kind. */
export function storedPrefixesOf(kind: TokenKind): readonly string[] {
  return [...prefixesOf(kind), ...kind.importedPrefixes];
}
