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
}

export interface Token extends Credential {
  readonly rawToken: string;
  readonly createdAt: Time;
  readonly line: Line;
}

export interface Family extends Credential {
  /** The JWTs of an owner who signs out everywhere are dead, and those of a family that is revoked are not. */
  isSignedOut: boolean;
  readonly accessTokens: { readonly jwt: string; readonly endsAt: Time }[];
  readonly consumed: string[];
  current: { readonly refreshToken: string; readonly endsAt: Time };
}

/** What makes a credential in a call; undefined for a person. */
export type Actor = { readonly token: Token } | { readonly family: Family; readonly jwtEndsAt: Time } | undefined;

/** The properties of a new token that come from the application. */
export type Issued = Pick<Token, 'id' | 'rawToken'>;

/** A model that is simple enough to be right: it marks credentials as dead one by one, without epochs, sweeps or SQL. */
export class CredentialModel {
  readonly owners: Owner[] = [];
  readonly tokens: Token[] = [];
  readonly families: Family[] = [];

  constructor(public now: Time) {}

  isAlive = (token: Token): boolean => !token.isRevoked && token.endsAt > this.now && token.owner.isActive;
  canRefresh = (family: Family): boolean =>
    !family.isRevoked && family.endsAt > this.now && family.current.endsAt > this.now && family.owner.isActive;
  isAccepted = (family: Family, endsAt: Time): boolean =>
    !family.isSignedOut && endsAt > this.now && family.owner.isActive;

  /** Whether an actor can make credentials now. */
  canMake(actor: Actor): boolean {
    if (!actor) return true;
    if ('token' in actor) {
      const { current } = actor.token.line;
      // In its grace period, a token makes credentials for its last successor.
      return this.isAlive(actor.token) && !current.isRevoked && current.endsAt > this.now;
    }
    const { family, jwtEndsAt } = actor;
    return this.isAccepted(family, jwtEndsAt) && !family.isRevoked && family.endsAt > this.now;
  }

  /** The end of an actor, which nothing that it makes outlives. */
  endOf(actor: Actor): Time {
    if (!actor) return Infinity;
    return 'token' in actor ? Math.min(actor.token.endsAt, actor.token.line.current.endsAt) : actor.family.endsAt;
  }

  /** The end of a new token; undefined when the one that was requested is later than that of its maker. */
  endOfNew(requested: Time | undefined, inherited: Time, latest: Time): Time | undefined {
    if (requested === undefined) return Math.min(inherited, latest);
    return requested <= latest ? requested : undefined;
  }

  addToken(owner: Owner, issued: Issued, endsAt: Time, actor: Actor): Token {
    const line = {} as Line;
    line.current = { ...issued, owner, ...lineageOf(actor), line, endsAt, createdAt: this.now, isRevoked: false };
    this.tokens.push(line.current);
    return line.current;
  }

  canRotate(token: Token): boolean {
    return !token.isRevoked && token.endsAt > this.now && token.line.current === token;
  }

  /** The end of the successor if none is requested, and the latest one: no rotation extends a token beyond its makers. */
  endsOfRotation(token: Token, actor: Actor): { readonly inherited: Time; readonly latest: Time } {
    const { madeBy } = token;
    const endOfMaker = madeBy ? (isLine(madeBy) ? madeBy.current.endsAt : madeBy.endsAt) : Infinity;
    return { inherited: this.now + token.endsAt - token.createdAt, latest: Math.min(this.endOf(actor), endOfMaker) };
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
    line.current = { ...issued, owner, madeBy, ancestors, line, endsAt, createdAt: this.now, isRevoked: false };
    this.tokens.push(line.current);
    if (isEarlier) this.limitMadeBy(line, endsAt);
  }

  /** @param endsAt the end of the family and of its first refresh token, by the options alone */
  addFamily(
    owner: Owner,
    id: string,
    endsAt: Time,
    tokens: Pick<Family, 'accessTokens' | 'current'>,
    actor: Actor,
  ): void {
    const family = { ...tokens, owner, id, ...lineageOf(actor), endsAt, isRevoked: false, isSignedOut: false };
    this.families.push({ ...family, consumed: [] });
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
  }

  signOut(owner: Owner): void {
    for (const family of this.familiesOf(owner)) Object.assign(family, { isRevoked: true, isSignedOut: true });
  }

  lockOut(owner: Owner): void {
    this.signOut(owner);
    this.familiesOf(owner).forEach((family) => this.lockOutFamily(family));
    this.tokensOf(owner).forEach((token) => this.revoke(token));
  }

  tokensOf = (owner: Owner): Token[] => this.tokens.filter((token) => token.owner === owner);
  familiesOf = (owner: Owner): Family[] => this.families.filter((family) => family.owner === owner);

  private revokeMadeBy(maker: Maker): void {
    for (const family of this.families) if (family.ancestors.has(maker)) family.isRevoked = true;
    for (const token of this.tokens) if (token.ancestors.has(maker)) this.revoke(token);
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
  const [maker, self] = 'token' in actor ? [actor.token.line, actor.token] : [actor.family, actor.family];
  return { madeBy: maker, ancestors: new Set([...self.ancestors, maker]) };
}
