import type { AnyPrincipal } from './principal.js';

/**
 * Where a call comes from: the principal, if there is one, and the address and user agent for the audit trail.
 *
 * The principal's scopes limit what it can grant and manage. Without a principal, the application itself acts, without a limit.
 */
export interface Caller {
  /** The principal that the guards found. @default undefined, the application itself */
  readonly principal?: AnyPrincipal | undefined;
  /**
   * Who acts without a principal, for the audit trail, such as `{ type: 'cli', id: 'ada' }`: a type of at most 255 and an id of at
   * most 512 characters. It allows and limits nothing. @default `{ type: 'system' }`
   */
  readonly actor?: { readonly type: string; readonly id?: string | undefined } | undefined;
  /**
   * The client's address, for `last_used_ip`, the audit trail, and credentials that are limited to addresses. These are
   * refused without it.
   * @default undefined
   */
  readonly ipAddress?: string | undefined;
  /** The client's `User-Agent`, for the audit trail. @default undefined */
  readonly userAgent?: string | undefined;
  /**
   * When the guards of the request began, in milliseconds of `performance.now()`. A service waits for the database until
   * `lookupTimeout` after it, so that a request does not wait so long for each of its steps.
   * @default the time of each call of a service
   */
  readonly waitingSince?: number | undefined;
}
