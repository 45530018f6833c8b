import { SigraError } from '../common/sigra-error.js';
import type { ListOrder } from '../persistence/keyset.js';

/** @throws SigraError `invalid_filter` */
export function parseOrder(order: unknown): ListOrder {
  if (order === 'newest' || order === 'oldest') return order;
  throw new SigraError('invalid_filter', 'order is "newest" or "oldest".');
}
