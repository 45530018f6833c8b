import { SigraError } from '../common/sigra-error.js';
import type { ApiTokenFilter } from '../persistence/api-token-filter.js';
import { INSTANT_FORM, instantOf } from './request-body.js';

/** The properties that have another form in JSON and in a query than in the service. */
const READERS: { readonly [P in keyof ApiTokenFilter]?: (value: unknown, name: string) => unknown } = {
  unusedSince: readInstant,
  createdBefore: readInstant,
  expiresBefore: readInstant,
  // In a query, everything is a string.
  hasExpiry: (value) => (value === 'true' ? true : value === 'false' ? false : value),
  scopes: (value) => (typeof value === 'string' ? value.split(' ') : value),
};

/**
 * Reads the filter of a body or a query. The service checks it; only times, flags and lists have another form here.
 *
 * @throws SigraError `invalid_filter`
 */
export function readFilter(given: Readonly<Record<string, unknown>>): ApiTokenFilter {
  const read = Object.entries(given).map(([name, value]) => {
    const reader = Object.hasOwn(READERS, name) ? READERS[name as keyof ApiTokenFilter] : undefined;
    return [name, reader && value !== undefined ? reader(value, name) : value];
  });
  return Object.fromEntries(read) as ApiTokenFilter;
}

function readInstant(value: unknown, name: string): Date {
  const date = instantOf(value);
  if (date) return date;
  throw new SigraError('invalid_filter', `${name} is ${INSTANT_FORM}.`);
}
