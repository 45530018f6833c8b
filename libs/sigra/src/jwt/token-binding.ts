import { refuse } from '../common/sigra-error.js';
import type { SigraConfig } from '../config/sigra-config.js';
import { THUMBPRINT_LENGTH } from '../persistence/tables.js';

/** The key that tokens are bound to (RFC 9449 section 6). */
export interface TokenBinding {
  /**
   * The SHA-256 thumbprint of the public key (RFC 7638), in base64url, as `DpopService.thumbprintOf` returns it.
   * @default no key
   */
  readonly dpopThumbprint?: string | undefined;
}

const THUMBPRINT = new RegExp(`^[A-Za-z0-9_-]{${THUMBPRINT_LENGTH}}$`);

/** Whether a value has the form of a SHA-256 thumbprint in base64url. */
export function isThumbprint(value: unknown): value is string {
  return typeof value === 'string' && THUMBPRINT.test(value);
}

/**
 * The key that new tokens are bound to.
 *
 * @throws SigraError `invalid_dpop_proof` without a key where one is required
 * @throws TypeError for a key where DPoP is off, because nothing would accept the tokens, or a thumbprint that is not one
 */
export function thumbprintIn({ dpopThumbprint }: TokenBinding, { dpop }: SigraConfig): string | undefined {
  if (dpopThumbprint === undefined) {
    if (dpop?.required) throw refuse('invalid_dpop_proof', 'The request needs a DPoP proof.');
    return undefined;
  }
  if (!dpop) throw new TypeError("sigra: a token cannot be bound to a key while jwt.dpop.mode is 'off'");
  if (!isThumbprint(dpopThumbprint)) throw new TypeError('sigra: dpopThumbprint is not a SHA-256 in base64url');
  return dpopThumbprint;
}
