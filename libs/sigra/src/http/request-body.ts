import { refuse, type SigraError } from '../common/sigra-error.js';

type Body = Readonly<Record<string, unknown>>;

/** How many unknown fields an answer names; a body can have thousands. */
const MAX_NAMED = 3;

/**
 * Reads a JSON body that has only `known` fields. Unknown fields are refused, not ignored: a client that sends a `userId`
 * must not believe that it had an effect.
 *
 * @throws SigraError `invalid_request`
 */
export function parseBody(body: unknown, known: readonly string[]): Body {
  // Without a body, Express 5 has undefined and Fastify has null.
  if (body === undefined || body === null) return {};
  if (typeof body !== 'object' || Array.isArray(body)) throw invalid('The body must be a JSON object.');
  const unknown = Object.keys(body).filter((field) => !known.includes(field));
  if (unknown.length > 0) {
    const named = unknown.slice(0, MAX_NAMED).map((field) => JSON.stringify(field.slice(0, 50)));
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
  const date = typeof value === 'string' && INSTANT.test(value) && isDay(value) ? new Date(value) : undefined;
  if (!date || Number.isNaN(date.getTime())) {
    throw refuse('invalid_expiry', 'expiresAt is an ISO 8601 time with a zone, such as 2030-01-31T12:00:00Z.');
  }
  return date;
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

function invalid(message: string): SigraError {
  return refuse('invalid_request', message);
}
