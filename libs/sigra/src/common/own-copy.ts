import { types } from 'node:util';

/**
 * Copies a value, so that callers can change their copy. Instances of classes other than Date and Buffer, such as those that parsers
 * of the application make, are returned as they are.
 */
export function ownCopy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(ownCopy);
  if (types.isDate(value)) return new Date(value);
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  // The spread makes __proto__ an ordinary property, too, so that it can be assigned.
  const copy: Record<string, unknown> = { ...value };
  for (const key of Object.keys(copy)) {
    const each = copy[key];
    if (typeof each === 'object' && each !== null) copy[key] = ownCopy(each);
  }
  return copy;
}
