import { MAX_TIME } from './clock.js';
import { SigraError } from './sigra-error.js';
import { isUuid } from './uuid.js';

/** The creation time and id of the last row of a page. */
export interface CursorPosition {
  readonly createdAt: Date;
  readonly id: string;
}

/** Encodes the creation time and id of a row as an opaque cursor. */
export function encodeCursor(createdAt: Date, id: string): string {
  return Buffer.from(`${createdAt.getTime().toString(36)}.${id}`, 'latin1').toString('base64url');
}

/**
 * Decodes a cursor.
 *
 * @throws SigraError `invalid_cursor` for a string that `encodeCursor` did not make
 */
export function decodeCursor(cursor: string): CursorPosition {
  const position = parse(cursor);
  // Only one spelling is valid: a cursor that decodes but was not encoded here is rejected too.
  if (!position || encodeCursor(position.createdAt, position.id) !== cursor) {
    throw new SigraError('invalid_cursor', 'The cursor is not valid.');
  }
  return position;
}

/** Whether a list begins with the row that was created first or last. */
export type ListOrder = 'oldest' | 'newest';

/** @throws SigraError `invalid_filter` */
export function parseOrder(order: unknown): ListOrder {
  if (order === 'newest' || order === 'oldest') return order;
  throw new SigraError('invalid_filter', 'order is "newest" or "oldest".');
}

/** The page of a list to read. */
export interface PageRequest {
  readonly limit: number;
  readonly position: CursorPosition | undefined;
}

/**
 * Checks the limit and the cursor of a request.
 *
 * @throws SigraError `invalid_limit` unless the limit is an integer from 1 to `max`, `invalid_cursor`
 */
export function parsePageRequest(
  request: { readonly limit?: number | undefined; readonly cursor?: string | undefined },
  bounds: { readonly default: number; readonly max: number },
): PageRequest {
  // A default replaces undefined only: null is not a limit.
  const { limit = bounds.default, cursor } = request;
  if (!Number.isInteger(limit) || limit < 1 || limit > bounds.max) {
    throw new SigraError('invalid_limit', `The limit must be an integer from 1 to ${bounds.max}.`);
  }
  return { limit, position: cursor === undefined ? undefined : decodeCursor(cursor) };
}

/**
 * Makes a page of rows, with the cursor of the next page, which is null on the last page.
 *
 * @param rows up to `limit + 1` rows: the extra row shows that there is a next page
 */
export function pageOf<Item extends { readonly id: string }>(
  rows: readonly Item[],
  limit: number,
  createdAt: (item: Item) => Date,
): { readonly items: readonly Item[]; readonly nextCursor: string | null } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, nextCursor: rows.length > limit && last ? encodeCursor(createdAt(last), last.id) : null };
}

function parse(cursor: unknown): CursorPosition | undefined {
  if (typeof cursor !== 'string' || cursor.length > 100) return undefined;
  const [time, id, ...rest] = Buffer.from(cursor, 'base64url').toString('latin1').split('.');
  if (!time || !id || rest.length > 0 || !isUuid(id)) return undefined;
  const ms = Number.parseInt(time, 36);
  return ms >= 0 && ms <= MAX_TIME ? { createdAt: new Date(ms), id } : undefined;
}
