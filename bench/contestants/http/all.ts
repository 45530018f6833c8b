import { bare } from './bare.js';
import { betterAuthGuard } from './better-auth.js';
import type { HttpFactory } from './contestant.js';
import { handWritten } from './hand-written.js';
import { plainJwt, plainJwtUser } from './plain-jwt.js';
import { sigraJwtEpoch, sigraJwtStateless, sigraSession, sigraToken } from './sigra.js';

export const httpContestants = {
  bare,
  'sigra-token': sigraToken,
  'sigra-jwt-stateless': sigraJwtStateless,
  'sigra-jwt-epoch': sigraJwtEpoch,
  'sigra-session': sigraSession,
  'hand-written': handWritten,
  'plain-jwt': plainJwt,
  'plain-jwt-user': plainJwtUser,
  'better-auth': betterAuthGuard,
} satisfies Record<string, HttpFactory>;

export type HttpContestantName = keyof typeof httpContestants;
