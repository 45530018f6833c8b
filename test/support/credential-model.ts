import type { User } from './test-app.js';

/** Times are milliseconds since 1970; a credential without an end has `Infinity`. */
type Time = number;

export interface Owner {
  readonly user: User;
  isActive: boolean;
}

/** A token and all that replaced it by rotation. As a maker they are one: what each of them made belongs to the current one. */
export interface Line {
  current: Token;
}

/** What makes credentials. */
export type Maker = Line | Family;

interface Credential {
  readonly owner: Owner;
  readonly id: string;
  /** What made it; undefined for a person. */
  readonly madeBy: Maker | undefined;
  /** What made it, what made that, and so on. */
  readonly ancestors: ReadonlySet<Maker>;
  endsAt: Time;
  isRevoked: boolean;
  /** Whether it has lost all scopes but one. */
  isNarrow: boolean;
}

/** A JWT keeps its scopes until it expires. */
export interface AccessToken {
  readonly jwt: string;
  readonly endsAt: Time;
  readonly isNarrow: boolean;
}

/** The JWT that an API token got as a client. */
export interface ClientGrant extends AccessToken {
  readonly token: Token;
  /** Whether all API tokens or JWTs of the owner were ended; the end of the token alone leaves it until it expires. */
  isEnded: boolean;
}

export interface Token extends Credential {
  readonly rawToken: string;
  readonly createdAt: Time;
  readonly line: Line;
}

export interface Family extends Credential {
  /** The JWTs of an owner who signs out everywhere are dead, and those of a family that is revoked are not. */
  isSignedOut: boolean;
  /** A reuse is recorded once. */
  isReused: boolean;
  readonly accessTokens: AccessToken[];
  /** Oldest first; each one is the parent of the next, and the last one of the current one. */
  readonly consumed: { readonly refreshToken: string; readonly at: Time }[];
  current: { readonly refreshToken: string; readonly endsAt: Time };
}

/** What makes a credential in a call; undefined for a person. */
export type Actor =
  | { readonly token: Token }
  | { readonly family: Family; readonly jwt: AccessToken }
  | { readonly grant: ClientGrant }
  | undefined;

/** The properties of a new token that come from the application. */
export type Issued = Pick<Token, 'id' | 'rawToken'>;

/** A model that is simple enough to be right: it marks credentials as dead one by one, without epochs, sweeps or SQL. */
export class CredentialModel {
  readonly owners: Owner[] = [];
  readonly tokens: Token[] = [];
  readonly families: Family[] = [];
  readonly grants: ClientGrant[] = [];

  constructor(public now: Time) {}

  isAlive = (token: Token): boolean => !token.isRevoked && token.endsAt > this.now && token.owner.isActive;
  canRefresh = (family: Family): boolean =>
    !family.isRevoked && family.endsAt > this.now && family.current.endsAt > this.now && family.owner.isActive;
  isAccepted = (family: Family, endsAt: Time): boolean =>
    !family.isSignedOut && endsAt > this.now && family.owner.isActive;

  isGrantAccepted = ({ token, endsAt, isEnded }: ClientGrant): boolean =>
    !isEnded && endsAt > this.now && token.owner.isActive;

  /**
   * Whether an actor can make credentials now.
   *
   * @param isNarrow whether they have one scope only, or all
   */
  canMake(actor: Actor, isNarrow = true): boolean {
    if (!actor) return true;
    if ('grant' in actor) {
      const { grant } = actor;
      const { token } = grant;
      // A JWT with scopes that its token has lost makes nothing.
      const hasLost = token.isNarrow && !grant.isNarrow;
      return this.isGrantAccepted(grant) && !hasLost && this.canMake({ token }) && (isNarrow || !grant.isNarrow);
    }
    if ('token' in actor) {
      if (actor.token.isNarrow && !isNarrow) return false;
      const { current } = actor.token.line;
      // In its grace period, a token makes credentials for its last successor.
      return this.isAlive(actor.token) && !current.isRevoked && current.endsAt > this.now;
    }
    const { family, jwt } = actor;
    if ((family.isNarrow && !jwt.isNarrow) || (jwt.isNarrow && !isNarrow)) return false;
    return this.isAccepted(family, jwt.endsAt) && !family.isRevoked && family.endsAt > this.now;
  }

  /** The end of an actor, which nothing that it makes outlives. */
  endOf(actor: Actor): Time {
    if (!actor) return Infinity;
    if ('family' in actor) return actor.family.endsAt;
    const { token } = 'grant' in actor ? actor.grant : actor;
    return Math.min(token.endsAt, token.line.current.endsAt);
  }

  /** The end of a new token; undefined when the one that was requested is later than that of its maker. */
  endOfNew(requested: Time | undefined, inherited: Time, latest: Time): Time | undefined {
    if (requested === undefined) return Math.min(inherited, latest);
    return requested <= latest ? requested : undefined;
  }

  addToken(owner: Owner, issued: Issued, endsAt: Time, isNarrow: boolean, actor: Actor): Token {
    const line = {} as Line;
    const state = { endsAt, createdAt: this.now, isRevoked: false, isNarrow };
    line.current = { ...issued, owner, ...lineageOf(actor), line, ...state };
    this.tokens.push(line.current);
    return line.current;
  }

  canRotate(token: Token): boolean {
    return !token.isRevoked && token.endsAt > this.now && token.line.current === token;
  }

  /** The end of the successor if none is requested, and the latest one: no rotation extends a token beyond its makers. */
  endsOfRotation(token: Token, actor: Actor): { readonly inherited: Time; readonly latest: Time } {
    const latest = Math.min(this.endOf(actor), this.endOfMaker(token));
    return { inherited: this.now + token.endsAt - token.createdAt, latest };
  }

  /** The end of what made a token. */
  endOfMaker({ madeBy }: Token): Time {
    if (!madeBy) return Infinity;
    return isLine(madeBy) ? madeBy.current.endsAt : madeBy.endsAt;
  }

  /** @param grace in milliseconds */
  rotate(token: Token, issued: Issued, endsAt: Time, grace: number, actor: Actor): void {
    const { owner, line } = token;
    const lineage = lineageOf(actor);
    // Another credential that rotates a token has the successor, which then ends with that one.
    const { madeBy, ancestors } = lineage.madeBy && lineage.madeBy !== line ? lineage : token;
    const isEarlier = endsAt < token.endsAt;
    if (grace === 0) token.isRevoked = true;
    else token.endsAt = Math.min(token.endsAt, this.now + grace);
    const state = { endsAt, createdAt: this.now, isRevoked: false, isNarrow: token.isNarrow };
    line.current = { ...issued, owner, madeBy, ancestors, line, ...state };
    this.tokens.push(line.current);
    if (isEarlier) this.limitMadeBy(line, endsAt);
  }

  /** Gives a token another end, which the tokens that led to it, and what they made, do not outlive. */
  moveEnd(token: Token, endsAt: Time): void {
    const isEarlier = endsAt < token.endsAt;
    token.endsAt = endsAt;
    for (const each of this.tokens) if (each.line === token.line) each.endsAt = Math.min(each.endsAt, endsAt);
    if (isEarlier) this.limitMadeBy(token.line, endsAt);
  }

  /** Takes all scopes but one from a token, the tokens that led to it, and what they made. */
  narrow({ line }: Token): void {
    for (const each of this.tokens) if (each.line === line) each.isNarrow = true;
    this.narrowMadeBy(line);
  }

  /** @param endsAt the end of the family and of its first refresh token, by the options alone */
  addFamily(
    owner: Owner,
    id: string,
    endsAt: Time,
    tokens: Pick<Family, 'accessTokens' | 'current' | 'isNarrow'>,
    actor: Actor,
  ): void {
    const family = { ...tokens, owner, id, ...lineageOf(actor), endsAt, isRevoked: false, isSignedOut: false };
    this.families.push({ ...family, consumed: [], isReused: false });
  }

  /**
   * What happens to a consumed refresh token that is presented again.
   *
   * @param leeway in milliseconds
   */
  replay(family: Family, refreshToken: string, leeway: number): 'replayed' | 'reuse' | 'refused' {
    if (!family.owner.isActive) return 'refused';
    const since = family.consumed.findIndex((each) => each.refreshToken === refreshToken);
    if (family.consumed.slice(since).every(({ at }) => this.now - at < leeway)) {
      return this.canRefresh(family) ? 'replayed' : 'refused';
    }
    if (family.isReused || family.endsAt <= this.now) return 'refused';
    family.isReused = true;
    this.lockOutFamily(family);
    return 'reuse';
  }

  revoke(token: Token): void {
    if (token.isRevoked) return;
    token.isRevoked = true;
    if (token.line.current === token) this.revokeMadeBy(token.line);
  }

  /** Ends a token with all that it was rotated from and to, and what they made. */
  lockOutToken({ line }: Token): void {
    for (const token of this.tokens) if (token.line === line) this.revoke(token);
  }

  /** Ends a family and what it made. An ordinary sign-out only sets `isRevoked`. */
  lockOutFamily(family: Family): void {
    family.isRevoked = true;
    this.revokeMadeBy(family);
  }

  revokeAll(owner: Owner): void {
    this.tokensOf(owner).forEach((token) => this.revoke(token));
    for (const family of this.familiesOf(owner)) {
      if (!family.isRevoked && family.madeBy && isLine(family.madeBy)) this.lockOutFamily(family);
    }
    this.endGrants(owner);
  }

  signOut(owner: Owner): void {
    for (const family of this.familiesOf(owner)) Object.assign(family, { isRevoked: true, isSignedOut: true });
    this.endGrants(owner);
  }

  lockOut(owner: Owner): void {
    this.signOut(owner);
    this.familiesOf(owner).forEach((family) => this.lockOutFamily(family));
    this.tokensOf(owner).forEach((token) => this.revoke(token));
  }

  /** Ends everything of an owner and deletes it: no reuse is recognized any more. */
  forget(owner: Owner): void {
    this.lockOut(owner);
    for (const family of this.familiesOf(owner)) family.consumed.length = 0;
  }

  tokensOf = (owner: Owner): Token[] => this.tokens.filter((token) => token.owner === owner);
  familiesOf = (owner: Owner): Family[] => this.families.filter((family) => family.owner === owner);

  private endGrants(owner: Owner): void {
    for (const grant of this.grants) if (grant.token.owner === owner) grant.isEnded = true;
  }

  private revokeMadeBy(maker: Maker): void {
    for (const family of this.families) if (family.ancestors.has(maker)) family.isRevoked = true;
    for (const token of this.tokens) if (token.ancestors.has(maker)) this.revoke(token);
  }

  private narrowMadeBy(maker: Maker): void {
    for (const each of [...this.families, ...this.tokens]) {
      if (!each.ancestors.has(maker) || each.isRevoked || each.isNarrow) continue;
      each.isNarrow = true;
      if ('line' in each && each.line.current === each) this.narrowMadeBy(each.line);
    }
  }

  private limitMadeBy(maker: Maker, endsAt: Time): void {
    for (const each of [...this.families, ...this.tokens]) {
      if (!each.ancestors.has(maker) || each.isRevoked || each.endsAt <= endsAt) continue;
      each.endsAt = endsAt;
      if ('line' in each && each.line.current === each) this.limitMadeBy(each.line, endsAt);
    }
  }
}

function isLine(maker: Maker): maker is Line {
  return !('accessTokens' in maker);
}

function lineageOf(actor: Actor): Pick<Credential, 'madeBy' | 'ancestors'> {
  if (!actor) return { madeBy: undefined, ancestors: new Set() };
  if ('grant' in actor) return lineageOf({ token: actor.grant.token });
  const [maker, self] = 'token' in actor ? [actor.token.line, actor.token] : [actor.family, actor.family];
  return { madeBy: maker, ancestors: new Set([...self.ancestors, maker]) };
}
