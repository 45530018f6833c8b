import type { ListOrder } from '../common/cursor.js';

/** Where lists in the order of creation time and id begin: before the oldest row. */
export const BEFORE_ALL = { createdAt: '-infinity', id: '00000000-0000-0000-0000-000000000000' };

/** Where lists with the newest row first begin. */
export const AFTER_ALL = { createdAt: 'infinity', id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };

/** The SQL of an order: where it begins, how the rows beyond a position compare with it, and the direction of each column. */
export const KEYSETS = {
  oldest: { start: BEFORE_ALL, beyond: '>', direction: 'ASC' },
  newest: { start: AFTER_ALL, beyond: '<', direction: 'DESC' },
} as const satisfies Record<ListOrder, object>;
