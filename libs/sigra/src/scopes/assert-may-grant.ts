import type { Principal } from '../common/principal.js';
import { SigraError } from '../common/sigra-error.js';
import { missingScopes } from './can.js';

/**
 * Nobody hands out more than they hold. Without a principal the host itself acts, and may grant everything.
 *
 * @throws SigraError `insufficient_scope`
 */
export function assertMayGrant(
  principal: Principal | undefined,
  scopes: readonly string[],
  writeImpliesRead: boolean,
): void {
  if (!principal) return;
  const missing = missingScopes(principal.scopes, scopes, writeImpliesRead);
  if (missing.length > 0) {
    throw new SigraError('insufficient_scope', 'A token can only be given scopes that its maker holds.', {
      refusal: { required: scopes, missing },
    });
  }
}
