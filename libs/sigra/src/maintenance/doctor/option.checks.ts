import type { JwtKey } from '../../config/jwt-keys.js';
import { MAX_REUSE_LEEWAY } from '../../config/jwt.section.js';
import type { SigraConfig } from '../../config/sigra-config.js';
import type { Check } from './finding.js';

const HOUR = 3600;
const MIN_RETENTION = 30 * 24 * HOUR;
const KEYGEN = 'Generate a secret with: npx sigra jwt keygen';
/** A random secret has more, and has none of these words. */
const MIN_DISTINCT_BYTES = 8;
const WORDS = /secret|password|change|example|default|insecure|12345|qwerty/i;

/** Checks of options that are valid, but weak. */
export const optionChecks: readonly Check<SigraConfig>[] = [
  {
    code: 'options.jwt_secret',
    severity: 'error',
    remedy: KEYGEN,
    find: ({ jwt }) => {
      const guessable = [...(jwt?.keys.values() ?? [])].filter(isGuessable).length;
      return guessable > 0
        ? 'A secret of jwt can be guessed, and anyone who knows it can sign as any user.'
        : undefined;
    },
  },
  {
    code: 'options.stateless_jwts',
    severity: 'warning',
    remedy: "Set jwt.check to 'epoch' or 'family'.",
    find: ({ jwt }) =>
      jwt?.check === 'stateless' ? "jwt.check is 'stateless': a revoked JWT is valid until it expires." : undefined,
  },
  {
    code: 'options.access_ttl',
    severity: 'warning',
    remedy: 'Set jwt.accessTtl to 900.',
    find: ({ jwt }) =>
      jwt && jwt.accessTtl > HOUR
        ? 'jwt.accessTtl is longer than an hour: services that verify JWTs themselves accept a stolen one for as long.'
        : undefined,
  },
  {
    code: 'options.reuse_leeway',
    severity: 'warning',
    remedy: 'Set jwt.reuseLeeway to 10 or less.',
    find: ({ jwt }) =>
      jwt && jwt.reuseLeeway >= MAX_REUSE_LEEWAY
        ? 'jwt.reuseLeeway is the longest possible: a thief can present a rotated refresh token for as long.'
        : undefined,
  },
  {
    code: 'options.endless_tokens',
    severity: 'warning',
    remedy:
      'Set apiTokens.maxTtl, such as 31_536_000 for a year, and apiTokens.defaultTtl for callers that send no expiry, or apiTokens.requireExpiry. They count for new tokens: see apiTokens.enforceOnExisting.',
    find: ({ apiTokens: { kinds } }) =>
      kinds.all.some(({ requireExpiry, maxTtl, idleTtl }) => !requireExpiry && (maxTtl ?? idleTtl) === undefined)
        ? 'API tokens can live forever: neither maxTtl, requireExpiry nor idleTtl is set.'
        : undefined,
  },
  {
    code: 'options.session_scopes',
    severity: 'warning',
    remedy:
      'Set session.scopes to the scopes that the pages of these origins need, or users.scopes to those of a user.',
    find: ({ session, users }) =>
      session && session.trustedOrigins.size > 0 && session.scopes.includes('*') && !users.scopes
        ? 'session.scopes is * with session.trustedOrigins: pages of other origins have every scope of every user.'
        : undefined,
  },
  {
    code: 'options.write_implies_read',
    severity: 'warning',
    remedy: 'Set it to false, and name single scopes that imply others in apiTokens.scopes, with `implies`.',
    find: ({ apiTokens: { rules } }) =>
      rules.writeImpliesRead ? 'apiTokens.writeImpliesRead is set: every token that writes can also read.' : undefined,
  },
  {
    code: 'options.audit_off',
    severity: 'warning',
    remedy: 'Set audit.enabled to true.',
    find: ({ audit }) => (audit.enabled ? undefined : 'audit.enabled is false: changes leave no trace.'),
  },
  {
    code: 'options.audit_retention',
    severity: 'warning',
    remedy: 'Set audit.retention to 30 days (2_592_000) or more, or remove it.',
    find: ({ audit: { retention } }) =>
      retention !== undefined && retention < MIN_RETENTION
        ? 'audit.retention is shorter than 30 days: the trail of an incident is deleted before it is looked for.'
        : undefined,
  },
];

function isGuessable({ verifyingKey }: JwtKey): boolean {
  if (verifyingKey.type !== 'secret') return false;
  const secret = verifyingKey.export();
  const text = secret.toString('latin1');
  // A text that contains itself before its end, when it is written twice, is a repetition.
  const isRepeated = (text + text).indexOf(text, 1) < text.length;
  return new Set(secret).size < MIN_DISTINCT_BYTES || isRepeated || WORDS.test(text);
}
