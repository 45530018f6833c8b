import type { Principal } from '../common/principal.js';

/** What Sigra itself records. */
export type SigraAuditAction =
  | 'api.token_create'
  | 'api.token_rotate'
  | 'api.token_revoke'
  | 'api.token_revoke_all'
  | 'api.token_verify.failure'
  | JwtAuditAction
  | 'api.jwt_issue'
  | 'api.jwt_revoke'
  | 'api.sign_out_everywhere';

/** What a host may record itself when it owns the transaction of a refresh. */
export type JwtAuditAction = 'api.jwt_refresh' | 'api.jwt_refresh_replay' | 'api.jwt_refresh_reuse';

/** How what an event tells of went. */
export type AuditOutcome = 'success' | 'failure';

/** A recorded fact. */
export interface AuditEvent {
  readonly id: string;
  readonly action: string;
  readonly outcome: AuditOutcome;
  readonly actorId: string | null;
  /** `user`, `system`, `anonymous`, or a host's own word. */
  readonly actorType: string;
  readonly targetId: string | null;
  readonly targetType: string | null;
  /** As JSON tells it: dates are ISO texts. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  readonly occurredAt: Date;
}

/** What a recorder knows of an event. Everything has a default. */
export interface AuditDetails {
  /** Who did it. @default null */
  readonly actorId?: string | null | undefined;
  /** @default 'user' with an `actorId`, else 'system' */
  readonly actorType?: string | undefined;
  /** What it was done to. @default null */
  readonly targetId?: string | null | undefined;
  /** What kind of thing that is, such as `project`. @default null */
  readonly targetType?: string | null | undefined;
  /** @default 'success' */
  readonly outcome?: AuditOutcome | undefined;
  /** Anything that JSON can say. Never put secrets in it. @default {} */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** Its first 64 characters are kept. @default null */
  readonly ipAddress?: string | null | undefined;
  /** Its first 1024 characters are kept. @default null */
  readonly userAgent?: string | null | undefined;
  /** @default now */
  readonly occurredAt?: Date | undefined;
}

/** An event to record: details and the action. */
export interface NewAuditEvent extends AuditDetails {
  /** A dotted name of 1 to 255 characters. */
  readonly action: string;
}

/**
 * On whose behalf a service is called, and from where. With a `principal`, the caller's scopes bound what it may grant;
 * without one the host itself acts.
 */
export interface CallContext {
  /** Who asks, as the guards found out. */
  readonly principal?: Principal | undefined;
  readonly ipAddress?: string | undefined;
  readonly userAgent?: string | undefined;
}

/** The part of an event that every event of a call shares. */
export function auditDetailsOf(context: CallContext): AuditDetails {
  const { principal, ipAddress, userAgent } = context;
  if (!principal) return { actorType: 'system', ipAddress, userAgent };
  return { actorId: principal.userId, actorType: 'user', ipAddress, userAgent, metadata: actingThrough(principal) };
}

function actingThrough(principal: Principal): Readonly<Record<string, unknown>> {
  return principal.tokenId === undefined
    ? { method: principal.method }
    : { method: principal.method, viaTokenId: principal.tokenId };
}
