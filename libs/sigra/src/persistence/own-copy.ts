import { types } from 'node:util';

/**
 * Copies a value that a driver has read, so that callers can change their copy. Instances of classes other than Date and
 * Buffer, which the host's own parsers make, are returned as they are.
 */
export function ownCopy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(ownCopy);
  if (types.isDate(value)) return new Date(value);
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, ownCopy(each)]));
}
