import { isStorable } from './storable-text.js';

/** The longest id, in UTF-16 code units: three bytes each still fit into an entry of a PostgreSQL index. */
export const MAX_ID_LENGTH = 512;

/** Whether a value can be the id of an owner: a string of 1 to 512 code units that PostgreSQL stores unchanged. */
export function isOwnerId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH && isStorable(value);
}
