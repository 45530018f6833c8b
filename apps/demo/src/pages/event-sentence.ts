import type { AuditEventEntity } from 'nestjs-sigra';

/** An event in words. */
export interface EventSentence {
  readonly text: string;
  /** Who or what did it. */
  readonly by: string;
  readonly failed: boolean;
}

type Metadata = Readonly<Record<string, unknown>>;

/** @param names of tokens, by id; those that clean-up has deleted are missing */
export function describeEvent(event: AuditEventEntity, names: ReadonlyMap<string, string>): EventSentence {
  const { metadata, targetId } = event;
  const target = quoted(targetId === null ? undefined : names.get(targetId), metadata.name);
  return { text: textOf(event, target), by: actorOf(event, names), failed: event.outcome === 'failure' };
}

/** The ids of the tokens that an event speaks of. */
export function tokenIdsOf({ targetId, targetType, metadata }: AuditEventEntity): string[] {
  const ids: unknown[] = [targetType === 'api_token' ? targetId : undefined, metadata.viaTokenId];
  return ids.filter((id) => typeof id === 'string');
}

function textOf({ action, metadata }: AuditEventEntity, target: string): string {
  switch (action) {
    case 'api.token_create':
      return `Token ${target} created with ${scopesOf(metadata)}`;
    case 'api.token_rotate':
      return `Token ${target} replaced by a new one; the old one ${graceOf(metadata)}`;
    case 'api.token_revoke':
      return `Token ${target} revoked`;
    case 'api.token_revoke_all':
      return `All tokens revoked (${String(metadata.count)})`;
    case 'api.token_verify.failure':
      return `Token ${target} refused, because it ${metadata.reason === 'token_expired' ? 'has expired' : 'is revoked'}`;
    case 'api.jwt_issue':
      return `Device signed in with ${scopesOf(metadata)}`;
    case 'api.jwt_refresh':
      return 'Device got fresh tokens';
    case 'api.jwt_refresh_replay':
      return 'Device got the same fresh tokens again';
    case 'api.jwt_refresh_reuse':
      return 'An old refresh token came back: the device is signed out';
    case 'api.jwt_revoke':
      return typeof metadata.count === 'number' ? `Devices signed out (${metadata.count})` : 'Device signed out';
    case 'api.sign_out_everywhere':
      return 'Signed out on all devices';
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

function actorOf({ actorType, metadata }: AuditEventEntity, names: ReadonlyMap<string, string>): string {
  if (actorType === 'system') return 'The demo, at its start';
  if (actorType === 'anonymous') return 'Whoever presented it';
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

function scopesOf({ scopes }: Metadata): string {
  return Array.isArray(scopes) ? scopes.join(', ') : 'no scopes';
}

/** The first name that is known, in quotation marks. */
function quoted(...names: unknown[]): string {
  const name = names.find((each) => typeof each === 'string');
  return name === undefined ? '(deleted)' : `“${name}”`;
}
