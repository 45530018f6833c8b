import { isUuid } from '../common/uuid.js';
import type { SigraTrace } from '../telemetry/channels.js';

/** What telemetry is told of the token that a caller names: only an id, for some callers put the raw token in its place. */
export function traceOf(tokenId: string): SigraTrace {
  return isUuid(tokenId) ? { tokenId } : {};
}
