import { type NewAuditEvent, ownerMembers } from '../audit/audit-event.js';
import type { Caller } from '../common/caller.js';
import { type ClientAddress, clientAddress } from '../common/client-address.js';
import { keyOfOwner } from '../common/principal.js';
import { type ApiToken, auditEvents } from '../persistence/tables.js';

/** The most tokens that are counted one by one. */
const MAX_TOKENS = 20_000;
/** The most of them that one owner has: no account can use up the places of all others. */
const MAX_TOKENS_PER_OWNER = 1000;
/** The most addresses of one token. */
const MAX_ADDRESSES = 8;
/**
 * With this many keys of known tokens, a token gets its first address and one key for all others. So there are at most about
 * `MAX_KEYS + 2 * MAX_TOKENS` keys.
 */
const MAX_KEYS = 10_000;
/** The most addresses with unknown tokens, which anyone can invent. */
const MAX_UNKNOWN_ADDRESSES = 100;

const FIRST_WAIT_MS = 60_000;
const LONGEST_WAIT_MS = 15 * 60_000;

const { ipAddress: ipColumn, userAgent: userAgentColumn } = auditEvents.columns;

/** What is refused, as its rows describe it. */
interface Subject {
  readonly targetId: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The owner of a token that is counted by itself. */
  readonly owner?: string;
}

interface Refusal {
  readonly reason: string;
  readonly caller: Caller;
  readonly at: Date;
}

/**
 * Counts refusals of tokens until their audit rows are written. A key is a token, a reason and an address (a /64 of IPv6).
 *
 * The first row of a key is due at once. After each row, the key waits before the next one: a minute, then twice as long
 * each time, up to 15 minutes. Refusals in the meantime are counted. So an attack is seen at once, and a job that still has
 * an old token writes about a hundred rows a day, not one every two seconds. A key without refusals is forgotten 15 minutes
 * after its last row; until then it keeps its place, so the bounds hold for that time and not only for one flush.
 *
 * Shares keep attackers from hiding the refusals of others. Each token has its own addresses, and one key for all further
 * ones. Each owner has its own tokens, and one key for all further ones. Unknown tokens have a share of their own. No share
 * can take the place of a token that was not seen before, until `MAX_TOKENS` tokens are counted; further ones become
 * `not_recorded`. No refusal is left out of the counts.
 */
export class VerifyFailureCounter {
  private readonly shares = new Map<string, Share>();
  private readonly unknown = new Share({ targetId: null, metadata: {} });
  private readonly notRecorded = new Share({ targetId: null, metadata: {} });
  /** The number of tokens of each owner that are counted one by one. */
  private readonly tokensOf = new Map<string, number>();

  /** @param usersType `users.type` */
  constructor(private readonly usersType: string) {}
  /** The number of keys in `shares`. */
  private keys = 0;

  /** Whether nothing is counted, and no key waits. */
  get isEmpty(): boolean {
    return this.keys + this.unknown.size + this.notRecorded.size === 0;
  }

  /** Counts the refusal of a stored token. */
  countKnown(token: ApiToken, reason: string, caller: Caller, at: Date): void {
    const share = this.shareOf(token);
    if (share === undefined) {
      this.notRecorded.count({ reason: 'not_recorded', caller, at }, 0);
      return;
    }
    const before = share.size;
    share.count({ reason, caller, at }, this.keys < MAX_KEYS ? MAX_ADDRESSES : 1);
    this.keys += share.size - before;
  }

  /** Counts the refusal of an unknown token. */
  countUnknown(caller: Caller, at: Date): void {
    this.unknown.count({ reason: 'unknown_token', caller, at }, MAX_UNKNOWN_ADDRESSES);
  }

  /** Takes the rows that are due, and forgets keys without refusals. */
  takeDue(now: Date): NewAuditEvent[] {
    const rows = [...this.unknown.takeDue(now), ...this.notRecorded.takeDue(now)];
    this.keys = 0;
    for (const [key, share] of this.shares) {
      for (const row of share.takeDue(now)) rows.push(row);
      this.keys += share.size;
      if (share.size === 0) this.forget(key, share);
    }
    return rows;
  }

  /** Takes all rows, also of keys that wait, and forgets all keys. */
  takeAll(): NewAuditEvent[] {
    const rows = [this.unknown, this.notRecorded, ...this.shares.values()].flatMap((share) => share.takeAll());
    this.shares.clear();
    this.tokensOf.clear();
    this.keys = 0;
    return rows;
  }

  /** The share of a token, or that of the further tokens of its owner; undefined when there is no place. */
  private shareOf({ id, ownerType: type, ownerId }: ApiToken): Share | undefined {
    const ofToken = { type, id: ownerId };
    const owner = keyOfOwner(ofToken);
    const metadata = ownerMembers(ofToken, this.usersType);
    const known = this.shares.get(id);
    if (known) return known;
    const siblings = this.tokensOf.get(owner) ?? 0;
    if (siblings >= MAX_TOKENS_PER_OWNER) {
      const subject = { targetId: null, metadata: { ...metadata, tokens: 'other' } };
      return this.shares.get(`owner ${owner}`) ?? this.open(`owner ${owner}`, subject);
    }
    if (this.shares.size >= MAX_TOKENS) return undefined;
    this.tokensOf.set(owner, siblings + 1);
    return this.open(id, { targetId: id, metadata, owner });
  }

  private open(key: string, subject: Subject): Share {
    const share = new Share(subject);
    this.shares.set(key, share);
    return share;
  }

  private forget(key: string, { subject: { owner } }: Share): void {
    this.shares.delete(key);
    if (owner === undefined) return;
    const left = (this.tokensOf.get(owner) ?? 1) - 1;
    if (left > 0) this.tokensOf.set(owner, left);
    else this.tokensOf.delete(owner);
  }
}

/** The keys of one token, or of what is counted like one. */
class Share {
  private readonly tallies = new Map<string, Tally>();

  constructor(readonly subject: Subject) {}

  get size(): number {
    return this.tallies.size;
  }

  /** @param most the number of keys from which on further addresses are counted together */
  count({ reason, caller, at }: Refusal, most: number): void {
    const origin = originOf(caller);
    const own = `${reason} from ${origin?.network ?? ''}`;
    const isOther = !this.tallies.has(own) && this.size >= most;
    const key = isOther ? reason : own;
    let tally = this.tallies.get(key);
    if (tally === undefined) {
      tally = new Tally(this.subject, reason, isOther);
      this.tallies.set(key, tally);
    }
    tally.add(at, origin, caller.userAgent);
  }

  takeDue(now: Date): NewAuditEvent[] {
    const rows: NewAuditEvent[] = [];
    for (const [key, tally] of this.tallies) {
      if (tally.isDue(now)) rows.push(tally.take(now));
      else if (tally.isIdle(now)) this.tallies.delete(key);
    }
    return rows;
  }

  takeAll(): NewAuditEvent[] {
    const rows = [...this.tallies.values()].filter(({ count }) => count > 0).map((tally) => tally.take());
    this.tallies.clear();
    return rows;
  }
}

/** The refusals of one key since its last row. */
class Tally {
  count = 0;
  private firstAt: Date | undefined;
  private lastAt: Date | undefined;
  private ipAddress: string | null = null;
  private userAgent: string | null = null;
  private writtenAt: Date | undefined;
  /** Milliseconds from the last row to the next one. */
  private wait = 0;

  /** @param isOther whether it counts several addresses together */
  constructor(
    private readonly subject: Subject,
    private readonly reason: string,
    private readonly isOther: boolean,
  ) {}

  add(at: Date, origin: ClientAddress | undefined, userAgent: string | undefined): void {
    if (this.count === 0) {
      this.firstAt = at;
      this.ipAddress = this.isOther || !origin ? null : copyOf(origin.address);
      this.userAgent = this.isOther || !userAgent ? null : copyOf(userAgentColumn.encode(userAgent) as string);
    } else if (origin && this.ipAddress !== null && this.ipAddress !== origin.address) {
      this.ipAddress = origin.network;
    }
    this.count++;
    this.lastAt = at;
  }

  isDue(now: Date): boolean {
    return this.count > 0 && this.age(now) >= this.wait;
  }

  isIdle(now: Date): boolean {
    return this.count === 0 && this.age(now) >= LONGEST_WAIT_MS;
  }

  /**
   * Takes the row. It gets the time of its write, because the refusals can be 15 minutes old: a consumer of the audit trail that
   * reads up to the present must not miss it.
   *
   * @param now the time from which the key waits. @default unknown; the key is forgotten
   */
  take(now?: Date): NewAuditEvent {
    const { subject, reason, count, firstAt, lastAt, ipAddress, userAgent } = this;
    this.count = 0;
    this.writtenAt = now;
    this.wait = Math.min(Math.max(2 * this.wait, FIRST_WAIT_MS), LONGEST_WAIT_MS);
    return {
      action: 'api.token_verify.failure',
      outcome: 'failure',
      actorType: 'anonymous',
      targetId: subject.targetId,
      targetType: 'api_token',
      metadata: {
        reason,
        ...subject.metadata,
        ...(this.isOther ? { addresses: 'other' } : {}),
        count,
        firstAt,
        lastAt,
      },
      ipAddress,
      userAgent,
    };
  }

  /** Milliseconds since the last row. Absolute, so that a clock that was set back makes no key wait for it. */
  private age(now: Date): number {
    return this.writtenAt ? Math.abs(now.getTime() - this.writtenAt.getTime()) : Infinity;
  }
}

/** The address of a caller, in a form that the column can store. An address that a proxy forwards can be any text. */
function originOf({ ipAddress }: Caller): ClientAddress | undefined {
  return ipAddress ? clientAddress(ipColumn.encode(ipAddress) as string) : undefined;
}

/** A part of a string keeps all of it in memory, for example a header of 16 KB. */
function copyOf(text: string): string {
  return Buffer.from(text).toString();
}
