import { SigraError } from './sigra-error.js';
import { isUuid } from './uuid.js';

/** The last instant of the year 9999: PostgreSQL and JavaScript agree on every time up to it. */
const MAX_TIME = 253_402_300_799_999;

/** Where a page ended. */
export interface CursorPosition {
  readonly createdAt: Date;
  readonly id: string;
}

/** An opaque cursor that stands for the row with this time of creation and id. */
export function encodeCursor(createdAt: Date, id: string): string {
  return Buffer.from(`${createdAt.getTime().toString(36)}.${id}`, 'latin1').toString('base64url');
}

/**
 * The position that a cursor stands for.
 *
 * @throws SigraError `invalid_cursor` for anything that `encodeCursor` did not make
 */
export function decodeCursor(cursor: string): CursorPosition {
  const position = parse(cursor);
  // Only the one spelling is accepted: what decodes but was not encoded here is refused too.
  if (!position || encodeCursor(position.createdAt, position.id) !== cursor) {
    throw new SigraError('invalid_cursor', 'The cursor is not one that this API gave out.');
  }
  return position;
}

function parse(cursor: unknown): CursorPosition | undefined {
  if (typeof cursor !== 'string' || cursor.length > 100) return undefined;
  const [time, id, ...rest] = Buffer.from(cursor, 'base64url').toString('latin1').split('.');
  if (!time || !id || rest.length > 0 || !isUuid(id)) return undefined;
  const ms = Number.parseInt(time, 36);
  return ms >= 0 && ms <= MAX_TIME ? { createdAt: new Date(ms), id } : undefined;
}
