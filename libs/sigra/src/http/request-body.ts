import { refuse, type SigraError } from '../common/sigra-error.js';

type Body = Readonly<Record<string, unknown>>;

/** The most fields of a body. Forms can have unknown ones (RFC 6749 section 3.2). */
export const MAX_FIELDS = 100;

/** How many unknown fields an answer names. */
const MAX_NAMED = 3;
/** Longer names are not repeated: a name can be a credential, which has at least 50 characters. */
const MAX_NAME_LENGTH = 40;

/**
 * Reads a JSON body that has only `known` fields. Unknown fields are refused, not ignored: a client that sends a `userId`
 * must not believe that it had an effect. A body of more than 100 fields is refused before they are looked at.
 *
 * @throws SigraError `invalid_request`
 */
export function parseBody(body: unknown, known: readonly string[]): Body {
  // Without a body, Express 5 has undefined and Fastify has null.
  if (body === undefined || body === null) return {};
  if (typeof body !== 'object' || Array.isArray(body)) throw invalid('The body must be a JSON object.');
  const fields = Object.keys(body);
  if (fields.length > MAX_FIELDS) throw invalid(`The body has more than ${MAX_FIELDS} fields.`);
  const unknown = fields.filter((field) => !known.includes(field));
  if (unknown.length > 0) {
    const named = unknown.slice(0, MAX_NAMED).map(quoted);
    const more = unknown.length > MAX_NAMED ? ` and ${unknown.length - MAX_NAMED} more` : '';
    throw invalid(`Unknown field ${named.join(', ')}${more}.`);
  }
  return body as Body;
}

/** ISO 8601 with a time zone: without one, each server would read another instant. */
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;

/**
 * Reads an optional point in time.
 *
 * @throws SigraError `invalid_expiry`
 */
export function parseInstant(value: unknown): Date | null | undefined {
  if (value === undefined || value === null) return value;
  const date = instantOf(value);
  if (!date) throw refuse('invalid_expiry', `expiresAt is ${INSTANT_FORM}.`);
  return date;
}

/** What `instantOf` reads, for the message of a refusal. */
export const INSTANT_FORM = 'an ISO 8601 time with a zone, such as 2030-01-31T12:00:00Z';

/** Reads a point in time; undefined for any other value. */
export function instantOf(value: unknown): Date | undefined {
  const date = typeof value === 'string' && INSTANT.test(value) && isDay(value) ? new Date(value) : undefined;
  return date && !Number.isNaN(date.getTime()) ? date : undefined;
}

/** JavaScript reads 31 February as 3 March. */
function isDay(instant: string): boolean {
  const day = instant.slice(0, 10);
  const midnight = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
}

/** Parses an optional integer in a query parameter. Returns NaN, which is not a valid limit, for any other value. */
export function parseNumber(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  return typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
}

function quoted(field: string): string {
  return field.length > MAX_NAME_LENGTH ? `with a name of ${field.length} characters` : JSON.stringify(field);
}

function invalid(message: string): SigraError {
  return refuse('invalid_request', message);
}
