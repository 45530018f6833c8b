import type { AuditEvent } from 'nestjs-sigra';

type Metadata = Readonly<Record<string, unknown>>;

/** Each action in words. The page shows the token that an event belongs to above it. */
const SENTENCES: Readonly<Record<string, (metadata: Metadata) => string>> = {
  'api.token_create': (metadata) => `Created with ${scopesOf(metadata)}`,
  'api.token_import': (metadata) => `Imported with ${scopesOf(metadata)}`,
  'api.token_update': ({ after }) => `Changed: ${propertiesOf(after)}`,
  'api.token_rotate': (metadata) => `Replaced by a new token; this one ${graceOf(metadata)}`,
  'api.token_revoke': ({ reason }) =>
    reason === 'made_by_revoked' ? 'Revoked with the token that made it' : 'Revoked',
  'api.token_revoke_all': (metadata) => `All tokens revoked (${countOf(metadata)})`,
  'api.token_verify.failure': (metadata) => `Refused ${timesOf(metadata)}because ${reasonOf(metadata)}`,
  'api.jwt_issue': (metadata) => `Device signed in with ${scopesOf(metadata)}`,
  'api.jwt_refresh': () => 'Device refreshed its tokens',
  'api.jwt_refresh_replay': () => 'Device repeated a refresh and got the same tokens',
  'api.jwt_refresh_reuse': () => 'Old refresh token used again: the device is signed out',
  'api.jwt_revoke': (metadata) =>
    metadata.epoch === undefined ? 'Device signed out' : `Devices signed out (${countOf(metadata)})`,
  'api.sign_out_everywhere': () => 'Signed out on all devices',
  'api.lock_out': () => 'Locked out: all tokens and devices revoked',
  'api.forget': () => 'All tokens and devices deleted',
  'session.sign_in': () => 'Signed in',
  'session.sign_out': () => 'Signed out',
  'project.create': ({ name }) => `Project “${String(name)}” created`,
};

const REASONS: Readonly<Record<string, string>> = {
  token_revoked: 'it is revoked',
  token_expired: 'it has expired',
  ip_not_allowed: 'it came from another address',
};

/** An event in words; an action of another application has no sentence. */
export function sentenceOf({ action, metadata }: AuditEvent): string {
  return SENTENCES[action]?.(metadata) ?? action;
}

/** The number of refusals in an event: one row counts those of a token from one address. */
export function refusalsIn({ outcome, metadata }: AuditEvent): number {
  if (outcome !== 'failure') return 0;
  return typeof metadata.count === 'number' ? metadata.count : 1;
}

function propertiesOf(changes: unknown): string {
  const names = Object.keys(Object(changes) as object);
  return names.map((name) => (name === 'expiresAt' ? 'expiry' : name)).join(', ');
}

function graceOf({ graceSeconds }: Metadata): string {
  if (typeof graceSeconds !== 'number' || graceSeconds === 0) return 'stopped at once';
  const hours = graceSeconds / 3600;
  return hours < 24 ? `worked for ${amount(hours, 'hour')} more` : `worked for ${amount(hours / 24, 'day')} more`;
}

function amount(count: number, unit: string): string {
  const rounded = Math.round(count * 10) / 10;
  return rounded === 1 ? `one ${unit}` : `${rounded} ${unit}s`;
}

/** A revocation of very many credentials does not wait for their number. */
function countOf({ count, countAbove }: Metadata): string {
  return typeof count === 'number' ? String(count) : `more than ${String(countAbove)}`;
}

function timesOf({ count }: Metadata): string {
  return typeof count === 'number' && count > 1 ? `${count} times ` : '';
}

function reasonOf({ reason }: Metadata): string {
  return REASONS[String(reason)] ?? `of ${String(reason)}`;
}

function scopesOf({ scopes }: Metadata): string {
  return Array.isArray(scopes) ? scopes.join(', ') : 'no scopes';
}
