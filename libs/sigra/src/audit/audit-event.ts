import type { Caller } from '../common/caller.js';
import { type Owner, ownerOfPrincipal } from '../common/principal.js';
import type { AuditOutcome } from '../persistence/tables.js';

/** The actions that Sigra records. */
export type SigraAuditAction =
  | 'api.token_create'
  | 'api.token_import'
  | 'api.token_update'
  | 'api.token_rotate'
  | 'api.token_revoke'
  | 'api.token_revoke_all'
  | 'api.token_verify.failure'
  | JwtAuditAction
  | 'api.jwt_issue'
  | 'api.jwt_revoke'
  | 'api.sign_out_everywhere'
  | 'api.lock_out'
  | 'api.forget';

export const JWT_AUDIT_ACTIONS = ['api.jwt_refresh', 'api.jwt_refresh_replay', 'api.jwt_refresh_reuse'] as const;

/** The steps of a refresh, which an application with a refresh of its own can record. */
export type JwtAuditAction = (typeof JWT_AUDIT_ACTIONS)[number];

/** The properties of an event to record. Each has a default. */
export interface AuditDetails {
  /** The id of the actor: at most 512 characters. @default null */
  readonly actorId?: string | null | undefined;
  /** At most 255 characters. @default 'user' with an `actorId`, otherwise 'system' */
  readonly actorType?: string | undefined;
  /** The id of the target: at most 512 characters. @default null */
  readonly targetId?: string | null | undefined;
  /** The type of the target, such as `project`: at most 255 characters. @default null */
  readonly targetType?: string | null | undefined;
  /** @default 'success' */
  readonly outcome?: AuditOutcome | undefined;
  /** A JSON object of at most 65,536 characters and 32 levels. Never put secrets in it. @default {} */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** The first 64 characters are stored. @default null */
  readonly ipAddress?: string | null | undefined;
  /** The first 1024 characters are stored. @default null */
  readonly userAgent?: string | null | undefined;
  /** @default now */
  readonly occurredAt?: Date | undefined;
}

/** An event to record: its action and details. */
export interface NewAuditEvent extends AuditDetails {
  /** A dotted name of 1 to 255 characters. */
  readonly action: string;
}

/** A change by Sigra, for its audit row. */
export interface AuditedChange {
  readonly action: SigraAuditAction;
  /** The type of a credential or of an owner. */
  readonly targetType: string;
  readonly targetId: string;
  /** Whose credential is changed, for the metadata. @default the metadata say it, or the target is the owner */
  readonly owner?: Owner;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * Makes the event of a change by a caller.
 *
 * @param ownerType the type of a principal that the application made itself
 */
export function eventOf(
  { owner, metadata: given, ...change }: AuditedChange,
  caller: Caller,
  ownerType: string,
): NewAuditEvent {
  const { principal, actor, ipAddress, userAgent } = caller;
  const metadata = { ...(owner && ownerMembers(owner, ownerType)), ...given };
  if (!principal) {
    return { ...change, actorId: actor?.id, actorType: actor?.type ?? 'system', ipAddress, userAgent, metadata };
  }
  const { method, tokenId: viaTokenId, issuer } = principal;
  const { type: actorType, id: actorId } = ownerOfPrincipal(principal, ownerType);
  const via = { method, ...(viaTokenId !== undefined && { viaTokenId }), ...(issuer !== undefined && { issuer }) };
  return { ...change, actorId, actorType, ipAddress, userAgent, metadata: { ...via, ...metadata } };
}

type OwnerMembers = { readonly userId: string } | { readonly ownerType: string; readonly ownerId: string };

/** The owner of a credential in metadata. The id of an organization must not be found as that of a user. */
export function ownerMembers({ type, id }: Owner, usersType: string): OwnerMembers {
  return type === usersType ? { userId: id } : { ownerType: type, ownerId: id };
}
