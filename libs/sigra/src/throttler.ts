export {
  limitOf,
  SigraThrottlerGuard,
  trackByAddress,
  trackByOwner,
  trackByToken,
} from './integrations/throttler/sigra-throttler.guard.js';
