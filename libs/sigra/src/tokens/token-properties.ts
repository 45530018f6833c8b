import { HttpException } from '@nestjs/common';
import { parseAllowedIps } from '../common/allowed-ips.js';
import { MAX_JSON_DEPTH } from '../common/bounded-json.js';
import { isObject } from '../common/is-object.js';
import { parseResources } from '../common/resource-limit.js';
import { SigraError } from '../common/sigra-error.js';
import { isLongerThan, isStorable } from '../common/storable-text.js';
import type { SigraConfig } from '../config/sigra-config.js';
import { canHold } from '../persistence/columns.js';
import {
  type ApiToken,
  apiTokens,
  auditEvents,
  MAX_DESCRIPTION_LENGTH,
  MAX_NAME_LENGTH,
  MAX_TOKEN_METADATA_LENGTH,
  type TokenMetadata,
} from '../persistence/tables.js';
import type { ScopeRegistry } from '../scopes/scope-registry.js';

/** What is requested of a token, without its expiry, which the time and the maker limit. */
export interface RequestedProperties {
  /** A name that helps the owner distinguish tokens: 1 to 255 characters, at least one of them visible. */
  readonly name: string;
  /** What the token is for: at most 1,000 characters, which can have line breaks. Null or empty for none. @default none */
  readonly description?: string | null | undefined;
  /**
   * Data of the application: a JSON object of at most 4,096 characters and 30 levels; see `apiTokens.parseMetadata`. Null for an
   * empty object. @default {}
   */
  readonly metadata?: TokenMetadata | null | undefined;
  /** The scopes of the token: 1 to 256 registered scopes or wildcards, with at most 4,096 characters, joined by spaces. */
  readonly scopes: readonly string[];
  /**
   * The addresses that the token is accepted from: 1 to 50 IPv4 and IPv6 addresses and CIDR ranges, such as `192.0.2.0/24`.
   * From all other addresses, and where the address is not known, it is refused as an unknown token is. Null for all
   * addresses, but not more than those of the principal's own credential. @default those of the principal's own credential,
   * or all
   */
  readonly allowedIps?: readonly string[] | null | undefined;
  /**
   * The resources that the scopes are limited to: 1 to 100 resources such as `project:42`, or `project:*` for all of a type,
   * with at most 4,096 characters, joined by spaces. Null for all resources, but not more than those of the principal's own
   * credential. @default those of the principal's own credential, or all
   */
  readonly resources?: readonly string[] | null | undefined;
}

/**
 * The same for a change: a property that is `undefined` stays as it is, and null removes it. A principal can only narrow
 * scopes, addresses and resources.
 */
export type RequestedChanges = { readonly [P in keyof RequestedProperties]?: RequestedProperties[P] | undefined };

/** The requested properties, as the token has them. */
export type TokenProperties = Pick<ApiToken, keyof RequestedProperties>;

/** What some properties are checked against. */
export interface PropertyRules {
  readonly scopes: ScopeRegistry;
  readonly parseMetadata: SigraConfig['apiTokens']['parseMetadata'];
}

/** The check of each property, in the order in which they are checked. */
const PARSERS: {
  readonly [P in keyof TokenProperties]: (
    given: unknown,
    rules: PropertyRules,
  ) => TokenProperties[P] | Promise<TokenProperties[P]>;
} = {
  name: parseName,
  description: parseDescription,
  metadata: (given, rules) => parseMetadata(given, rules.parseMetadata),
  scopes: (given, rules) => rules.scopes.parseGrant(given),
  allowedIps: parseAllowedIps,
  resources: parseResources,
};

/** The names of the properties. */
export const TOKEN_PROPERTIES = Object.keys(PARSERS) as readonly (keyof TokenProperties)[];

/**
 * Checks the properties of a new token.
 *
 * @throws SigraError `name_required`, `name_too_long`, `invalid_name`, `description_too_long`, `invalid_description`,
 * `invalid_metadata`, `invalid_allowed_ips`, `invalid_resources`, and the codes of scopes; also what `apiTokens.parseMetadata` throws, if it is
 * an `HttpException`
 */
export function parseProperties(request: RequestedProperties, rules: PropertyRules): Promise<TokenProperties> {
  return parseEach(TOKEN_PROPERTIES, request, rules) as Promise<TokenProperties>;
}

/** Like `parseProperties`, for a change: properties that are `undefined` are left out. */
export function parseChanges(request: RequestedChanges, rules: PropertyRules): Promise<Partial<TokenProperties>> {
  const given = TOKEN_PROPERTIES.filter((property) => request[property] !== undefined);
  return parseEach(given, request, rules);
}

/** The properties of a token, for another one. */
export function propertiesOf(token: TokenProperties): TokenProperties {
  return Object.fromEntries(
    TOKEN_PROPERTIES.map((property) => [property, token[property]]),
  ) as unknown as TokenProperties;
}

async function parseEach(
  properties: readonly (keyof TokenProperties)[],
  request: RequestedChanges,
  rules: PropertyRules,
): Promise<Partial<TokenProperties>> {
  const parsed: Partial<Record<keyof TokenProperties, unknown>> = {};
  for (const property of properties) parsed[property] = await PARSERS[property](request[property], rules);
  return parsed as Partial<TokenProperties>;
}

/** The audit row of a change has the metadata two levels deeper. */
const MAX_METADATA_DEPTH = MAX_JSON_DEPTH - 2;

/** Control characters and line separators, which could confuse pages and logs that show a name. */
const CONTROL_CHARACTERS = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** Embeddings, overrides and isolates (UAX #9). They reorder the text around them, so that one name can look like another. */
const BIDI_CONTROLS = /[\u202a-\u202e\u2066-\u2069]/u;

/**
 * A character that shows something by itself: not a space, not a combining mark, not a character that Unicode or most fonts
 * leave blank, such as Hangul fillers, variation selectors, tags and the empty Braille pattern.
 */
const VISIBLE =
  /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Cs}\p{M}\u2800\u{13441}\u{13442}\u{1d159}]/u;

/**
 * Trims and checks a name. The spaces around it count, so that a long text is refused before it is read.
 *
 * @throws SigraError `name_required`, `name_too_long`, `invalid_name`
 */
export function parseName(name: unknown): string {
  if (typeof name !== 'string') throw required();
  if (isLongerThan(name, MAX_NAME_LENGTH)) {
    throw new SigraError('name_too_long', `A name has at most ${MAX_NAME_LENGTH} characters.`);
  }
  const trimmed = name.trim();
  if (trimmed === '') throw required();
  if (CONTROL_CHARACTERS.test(trimmed) || BIDI_CONTROLS.test(trimmed) || !isStorable(trimmed)) {
    throw new SigraError('invalid_name', 'A name cannot have control characters.');
  }
  if (!VISIBLE.test(trimmed)) throw new SigraError('invalid_name', 'A name needs a visible character.');
  return trimmed;
}

/**
 * Trims and checks a description. It can have several lines.
 *
 * @returns null for none
 * @throws SigraError `description_too_long`, `invalid_description`
 */
export function parseDescription(description: unknown): string | null {
  if (description === undefined || description === null) return null;
  if (typeof description !== 'string') throw invalidDescription('A description is a string.');
  if (isLongerThan(description, MAX_DESCRIPTION_LENGTH)) {
    throw new SigraError('description_too_long', `A description has at most ${MAX_DESCRIPTION_LENGTH} characters.`);
  }
  const trimmed = description.trim();
  if (
    CONTROL_CHARACTERS.test(trimmed.replaceAll(/[\t\r\n]/g, '')) ||
    BIDI_CONTROLS.test(trimmed) ||
    !isStorable(trimmed)
  ) {
    throw invalidDescription('A description cannot have control characters other than tabs and line breaks.');
  }
  return trimmed === '' ? null : trimmed;
}

/**
 * Checks metadata, by the application's own rules as well.
 *
 * @returns an empty object for none
 * @throws SigraError `invalid_metadata`; also what `parse` throws, if it is an `HttpException`
 */
export async function parseMetadata(
  metadata: unknown,
  parse: SigraConfig['apiTokens']['parseMetadata'],
): Promise<TokenMetadata> {
  const given = asMetadata(metadata ?? {});
  if (!parse) return given;
  let parsed: unknown;
  try {
    parsed = await parse(given);
  } catch (cause) {
    if (cause instanceof HttpException) throw cause;
    throw new SigraError('invalid_metadata', 'The metadata does not have the form that the application requires.', {
      cause,
    });
  }
  return asMetadata(parsed);
}

function asMetadata(value: unknown): TokenMetadata {
  if (
    !isObject(value) ||
    Array.isArray(value) ||
    !canHold(apiTokens.columns.metadata, value as TokenMetadata) ||
    !canBeAudited(value)
  ) {
    throw invalidMetadata(
      `Metadata is a JSON object of at most ${MAX_TOKEN_METADATA_LENGTH} characters and ${MAX_METADATA_DEPTH} levels.`,
    );
  }
  // A copy: the object of the caller can change later.
  const copy = JSON.parse(JSON.stringify(value), (_name, member: unknown) => {
    // PostgreSQL writes all digits: 1e300 takes 301 characters.
    if (typeof member === 'number' && String(member).includes('e')) {
      throw invalidMetadata('A number in metadata is 0, or from 1e-6 to below 1e21, without its sign.');
    }
    return member;
  }) as unknown;
  // Its `toJSON` can have returned another value.
  if (!isObject(copy) || Array.isArray(copy)) throw invalidMetadata('Metadata is a JSON object.');
  return copy as TokenMetadata;
}

function canBeAudited(metadata: object): boolean {
  return canHold(auditEvents.columns.metadata, { before: { metadata } });
}

function invalidMetadata(message: string): SigraError {
  return new SigraError('invalid_metadata', message);
}

function invalidDescription(message: string): SigraError {
  return new SigraError('invalid_description', message);
}

function required(): SigraError {
  return new SigraError('name_required', 'A token needs a name.');
}
