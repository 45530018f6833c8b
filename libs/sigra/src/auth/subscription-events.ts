import type { ExecutionContext } from '@nestjs/common';

type Resolver = (event: unknown, args: unknown, operation: object, info: ResolveInfo) => unknown;

/** A field of the schema, whose resolver GraphQL looks up for each event. */
interface Field {
  resolve?: Resolver | undefined;
}

interface ResolveInfo {
  readonly fieldName: string;
  readonly parentType: unknown;
  readonly schema: {
    getSubscriptionType(): { getFields(): Readonly<Record<string, Field | undefined>> } | null | undefined;
  };
}

/** By the context of a subscription, which belongs to it alone. */
const checksOf = new WeakMap<object, (() => Promise<unknown>)[]>();
const checkedFields = new WeakSet<Field>();

/**
 * Repeats the check of a guard before each event of a GraphQL subscription. Nest calls guards when a client subscribes, and never
 * again, while the events can go on after its credential has been revoked. Does nothing for other calls.
 *
 * @param check rejects if the event must not be delivered; the client then gets this error in its place
 */
export function checkEvents(context: ExecutionContext, check: () => Promise<unknown>): void {
  if (context.getType<string>() !== 'graphql') return;
  const [, , operation, info] = context.getArgs<[unknown, unknown, object | undefined, ResolveInfo | undefined]>();
  const type = info?.schema.getSubscriptionType();
  const field = type && info?.parentType === type ? type.getFields()[info.fieldName] : undefined;
  if (!field || !operation) return;
  const checks = checksOf.get(operation);
  if (checks) checks.push(check);
  else checksOf.set(operation, [check]);
  if (!checkedFields.has(field)) addChecks(field);
}

function addChecks(field: Field): void {
  const { resolve = propertyOf } = field;
  field.resolve = async (event, args, operation, info) => {
    for (const check of checksOf.get(operation) ?? []) await check();
    return resolve(event, args, operation, info);
  };
  checkedFields.add(field);
}

/** The resolver of a field that has none. */
const propertyOf: Resolver = (event, args, operation, { fieldName }) => {
  const value = (event as Readonly<Record<string, unknown>> | null | undefined)?.[fieldName];
  return typeof value === 'function' ? (value.call(event, args, operation) as unknown) : value;
};
