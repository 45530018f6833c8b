import type { HttpFactory } from './contestant.js';

/** Imported dynamically, so that a process loads only its own contestant. */
export const httpContestants = {
  bare: async () => (await import('./bare.js')).bare,
  'sigra-token': async () => (await import('./sigra.js')).sigraToken,
  'sigra-policies': async () => (await import('./sigra.js')).sigraPolicies,
  'sigra-jwt-stateless': async () => (await import('./sigra.js')).sigraJwtStateless,
  'sigra-jwt-epoch': async () => (await import('./sigra.js')).sigraJwtEpoch,
  'sigra-observed': async () => (await import('./sigra-observed.js')).sigraObserved,
  'sigra-metrics': async () => (await import('./sigra-observed.js')).sigraMetrics,
  'sigra-session': async () => (await import('./sigra.js')).sigraSession,
  'hand-written': async () => (await import('./hand-written.js')).handWritten,
  'plain-jwt': async () => (await import('./plain-jwt.js')).plainJwt,
  'plain-jwt-user': async () => (await import('./plain-jwt.js')).plainJwtUser,
  'better-auth': async () => (await import('./better-auth.js')).betterAuthGuard,
} satisfies Record<string, () => Promise<HttpFactory>>;

export type HttpContestantName = keyof typeof httpContestants;
