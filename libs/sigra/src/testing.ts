// Tokens in every state, really in the database.
export { createApiToken } from './testing/create-api-token.js';
export type { ApiTokenOverrides } from './testing/create-api-token.js';
export { scopedApiToken } from './testing/scoped-api-token.js';
export { expiredApiToken } from './testing/expired-api-token.js';
export { revokedApiToken } from './testing/revoked-api-token.js';
export { generateJwt } from './testing/generate-jwt.js';
export { jwtWithScopes } from './testing/jwt-with-scopes.js';
export { expiredJwt } from './testing/expired-jwt.js';
export { refreshPair } from './testing/refresh-pair.js';
export { bearer } from './testing/bearer.js';
export type { Providers } from './testing/providers.js';

// Assertions, for every test runner.
export { assertScopeDenied } from './testing/assert-scope-denied.js';
export type { FetchAnswer, HttpAnswer, InjectAnswer, SupertestAnswer } from './testing/http-answer.js';
export { assertTokenRevoked } from './testing/assert-token-revoked.js';
export { assertAuditEvent } from './testing/assert-audit-event.js';
export type { ExpectedAuditEvent } from './testing/expected-audit-event.js';
export { flushBackgroundWrites } from './testing/flush-background-writes.js';

// Callers without credentials.
export { actingAs } from './testing/acting-as.js';
export type { ActingGuard } from './testing/acting-guard.js';
export type { ActingCredential, ActingPrincipal } from './testing/acting-principal.js';

// Time.
export { FakeClock } from './testing/fake-clock.js';
export type { Duration } from './testing/duration.js';
