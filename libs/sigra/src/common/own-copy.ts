import { types } from 'node:util';

/**
 * A copy that shares nothing with a value that a driver has read, so that who gets it may change it. Instances of classes
 * other than Date and Buffer, which a host's own parsers have made, are given as they are.
 */
export function ownCopy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(ownCopy);
  if (types.isDate(value)) return new Date(value);
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, ownCopy(each)]));
}
