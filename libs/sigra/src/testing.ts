// Stored credentials in every state.
export { createApiToken, expiredApiToken, revokedApiToken, scopedApiToken } from './testing/api-tokens.js';
export type { ApiTokenOverrides } from './testing/api-tokens.js';
export { expiredJwt, generateJwt, jwtWithScopes, refreshPair } from './testing/jwts.js';
export { flushBackgroundWrites } from './testing/flush-background-writes.js';
export type { Providers } from './testing/flush-background-writes.js';

// HTTP requests and answers.
export { bearer } from './testing/http.js';
export type { FetchAnswer, HttpAnswer, InjectAnswer, SupertestAnswer } from './testing/http.js';

// Assertions for any test runner.
export { assertScopeDenied } from './testing/assert-scope-denied.js';
export { assertTokenRevoked } from './testing/assert-token-revoked.js';
export { assertAuditEvent } from './testing/assert-audit-event.js';
export type { ExpectedAuditEvent } from './testing/assert-audit-event.js';

// Principals without credentials.
export { actingAs } from './testing/acting-as.js';
export type { ActingCredential, ActingGuard, ActingPrincipal } from './testing/acting-as.js';

// Time.
export { FakeClock } from './testing/fake-clock.js';
export type { Duration } from './testing/fake-clock.js';
