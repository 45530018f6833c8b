import type { AuditEvent } from 'nestjs-sigra';

/** An audit event in words. */
export interface EventSentence {
  readonly text: string;
  /** Who did it. */
  readonly by: string;
  readonly failed: boolean;
}

type Metadata = Readonly<Record<string, unknown>>;

/** @param names the names of tokens by id, without those that clean-up has deleted */
export function describeEvent(event: AuditEvent, names: ReadonlyMap<string, string>): EventSentence {
  const { metadata, targetId } = event;
  const target = quoted(targetId === null ? undefined : names.get(targetId), metadata.name);
  return { text: textOf(event, target), by: actorOf(event, names), failed: event.outcome === 'failure' };
}

/** The ids of the tokens in an event. */
export function tokenIdsOf({ targetId, targetType, metadata }: AuditEvent): string[] {
  const ids: unknown[] = [targetType === 'api_token' ? targetId : undefined, metadata.viaTokenId];
  return ids.filter((id) => typeof id === 'string');
}

function textOf({ action, metadata }: AuditEvent, target: string): string {
  switch (action) {
    case 'api.token_create':
      return `Token ${target} created with ${scopesOf(metadata)}`;
    case 'api.token_import':
      return `Token ${target} imported with ${scopesOf(metadata)}`;
    case 'api.token_update':
      return `Token ${target} changed: ${namesOf(metadata.after)}`;
    case 'api.token_rotate':
      return `Token ${target} replaced by a new one; the old one ${graceOf(metadata)}`;
    case 'api.token_revoke':
      return `Token ${target} revoked`;
    case 'api.token_revoke_all':
      return `All tokens revoked (${countOf(metadata)})`;
    case 'api.token_verify.failure':
      return `Token ${target} refused ${timesOf(metadata)}because it ${metadata.reason === 'token_expired' ? 'has expired' : 'is revoked'}`;
    case 'api.jwt_issue':
      return `Device signed in with ${scopesOf(metadata)}`;
    case 'api.jwt_refresh':
      return 'Device refreshed its tokens';
    case 'api.jwt_refresh_replay':
      return 'Device repeated a refresh and got the same tokens';
    case 'api.jwt_refresh_reuse':
      return 'Old refresh token used again: the device is signed out';
    case 'api.jwt_revoke':
      return metadata.epoch === undefined ? 'Device signed out' : `Devices signed out (${countOf(metadata)})`;
    case 'api.sign_out_everywhere':
      return 'Signed out on all devices';
    case 'api.lock_out':
      return 'Locked out: all tokens and devices revoked';
    case 'api.forget':
      return 'All tokens and devices deleted';
    case 'session.sign_in':
      return 'Signed in';
    case 'session.sign_out':
      return 'Signed out';
    case 'project.create':
      return `Project ${quoted(metadata.name)} created`;
    default:
      return action;
  }
}

/** The names of changed properties. */
function namesOf(changes: unknown): string {
  return Object.keys(Object(changes) as object)
    .map((name) => (name === 'expiresAt' ? 'expiry' : name))
    .join(', ');
}

function actorOf({ actorType, metadata }: AuditEvent, names: ReadonlyMap<string, string>): string {
  if (actorType === 'system') return 'The demo, when it started';
  if (actorType === 'anonymous') return 'Someone who has the token';
  const { viaTokenId } = metadata;
  return typeof viaTokenId === 'string' ? `You, with token ${quoted(names.get(viaTokenId))}` : 'You';
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

/** One row counts the refusals of a token from one address. */
function timesOf({ count }: Metadata): string {
  return typeof count === 'number' && count > 1 ? `${count} times ` : '';
}

function scopesOf({ scopes }: Metadata): string {
  return Array.isArray(scopes) ? scopes.join(', ') : 'no scopes';
}

/** The first known name, in quotation marks. */
function quoted(...names: unknown[]): string {
  const name = names.find((each) => typeof each === 'string');
  return name === undefined ? '(deleted)' : `“${name}”`;
}
