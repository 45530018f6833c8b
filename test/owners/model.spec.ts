import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CredentialService, type TokenPair } from 'nestjs-sigra';
import { JwtIntrospector } from '../../libs/sigra/src/jwt/jwt.introspector.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { rounds } from '../support/rounds.js';
import { SeededRandom } from '../support/seeded-random.js';
import type { User } from '../support/test-app.js';
import { TokenClient } from '../support/token-client.js';

const SEEDS = rounds(5);
const STEPS = 80;
const SECOND = 1000;
const JWT = { accessTtl: 60, refreshTtl: 600, absoluteTtl: 1800, check: 'epoch' } as const;
const SCOPES = ['*'];

/** What the model knows of an API token. */
interface Token {
  readonly owner: Owner;
  readonly id: string;
  readonly rawToken: string;
  maker: Token | Family | undefined;
  endsAt: number;
  isRevoked: boolean;
  isReplaced: boolean;
}

/** What the model knows of a refresh family. */
interface Family {
  readonly owner: Owner;
  readonly id: string;
  readonly endsAt: number;
  isRevoked: boolean;
  /** The JWTs of an owner who signs out everywhere are dead, and those of a family that is revoked are not. */
  isSignedOut: boolean;
  readonly accessTokens: { readonly jwt: string; readonly endsAt: number }[];
  readonly consumed: string[];
  current: { readonly refreshToken: string; readonly endsAt: number };
}

interface Owner {
  readonly user: User;
  isActive: boolean;
}

/** A model that is simple enough to be right: it marks credentials as dead one by one, without epochs or SQL. */
class Model {
  readonly owners: Owner[] = [];
  tokens: Token[] = [];
  families: Family[] = [];
  now = 0;

  isAlive = (token: Token): boolean => !token.isRevoked && token.endsAt > this.now && token.owner.isActive;
  canRefresh = (family: Family): boolean =>
    !family.isRevoked && family.endsAt > this.now && family.current.endsAt > this.now && family.owner.isActive;
  isAccepted = (family: Family, endsAt: number): boolean =>
    !family.isSignedOut && endsAt > this.now && family.owner.isActive;

  revoke(token: Token): void {
    if (token.isRevoked) return;
    token.isRevoked = true;
    this.revokeMadeBy(token);
  }

  revokeMadeBy(maker: Token | Family): void {
    this.tokens.filter((each) => each.maker === maker).forEach((each) => this.revoke(each));
  }

  signOut(owner: Owner): void {
    for (const family of this.familiesOf(owner)) Object.assign(family, { isRevoked: true, isSignedOut: true });
  }

  tokensOf = (owner: Owner): Token[] => this.tokens.filter((token) => token.owner === owner);
  familiesOf = (owner: Owner): Family[] => this.families.filter((family) => family.owner === owner);
}

describe('For random sequences of changes, no credential is accepted that a simple model says is dead, and none refused that it says is alive', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp(JWT);
    test.clock.set(new Date('2030-01-01T00:00:00.000Z'));
  });
  afterAll(() => test.close());

  const fulfils = (call: Promise<unknown>) =>
    call.then(
      () => true,
      () => false,
    );

  /** Compares every credential with the model. */
  async function compare(model: Model): Promise<void> {
    const introspector = test.get(JwtIntrospector);
    const checks: [string, boolean, Promise<boolean>][] = [
      ...model.tokens.map((token): [string, boolean, Promise<boolean>] => [
        `token ${token.id}`,
        model.isAlive(token),
        fulfils(test.tokens.verify(token.rawToken)),
      ]),
      ...model.families.map((family): [string, boolean, Promise<boolean>] => [
        `refresh token of ${family.id}`,
        model.canRefresh(family),
        introspector.introspect(family.current.refreshToken).then((found) => found !== undefined),
      ]),
      ...model.families.flatMap((family) =>
        family.accessTokens.map(({ jwt, endsAt }): [string, boolean, Promise<boolean>] => [
          `JWT of ${family.id}`,
          model.isAccepted(family, endsAt),
          fulfils(test.jwt.verifyAccess(jwt)),
        ]),
      ),
    ];
    const actual = await Promise.all(checks.map(async ([what, , result]) => [what, await result]));
    expect(actual).toEqual(checks.map(([what, expected]) => [what, expected]));
  }

  /** One random change, in the application and in the model. @returns its name */
  async function change(model: Model, random: SeededRandom): Promise<string> {
    const pick = <T>(values: readonly T[]): T | undefined => values[random.below(values.length)];
    const owner = pick(model.owners)!;
    // Mostly credentials that are alive, so that chains of them grow.
    const pickAlive = <T>(all: readonly T[], isAlive: (each: T) => boolean): T | undefined =>
      (random.below(4) > 0 ? pick(all.filter(isAlive)) : undefined) ?? pick(all);
    const token = pickAlive(model.tokensOf(owner), model.isAlive);
    const family = pickAlive(model.familiesOf(owner), model.canRefresh);
    const latest = family?.accessTokens.at(-1);
    const inSeconds = (seconds: number) => model.now + seconds * SECOND;
    const add = (body: { id: string; expiresAt: Date | string | null }, rawToken: string, maker?: Token | Family) =>
      model.tokens.push({
        owner,
        id: body.id,
        rawToken,
        maker,
        endsAt: body.expiresAt === null ? Infinity : new Date(body.expiresAt).getTime(),
        isRevoked: false,
        isReplaced: false,
      });
    const make = async (credential: string, maker: Token | Family, allowed: boolean, end: number) => {
      const ttl = random.below(3) * 100;
      const expiresAt = ttl === 0 ? undefined : new Date(inSeconds(ttl)).toISOString();
      const answer = await TokenClient.withToken(test, credential).create({ name: 'made', scopes: SCOPES, expiresAt });
      const isInTime = ttl === 0 || inSeconds(ttl) <= end;
      expect(answer.status).toBe(!allowed ? 401 : isInTime ? 201 : 400);
      if (answer.status === 201) add(answer.body.token, answer.body.rawToken, maker);
    };
    const record = (pair: TokenPair, endOfFamily: number) => ({
      access: { jwt: pair.accessToken, endsAt: inSeconds(pair.expiresIn) },
      current: { refreshToken: pair.refreshToken, endsAt: Math.min(inSeconds(JWT.refreshTtl), endOfFamily) },
    });

    const changes: Readonly<Record<string, () => Promise<void>>> = {
      create: async () => {
        const ttl = random.below(3) * 300;
        const expiresAt = ttl === 0 ? undefined : new Date(inSeconds(ttl));
        const issued = await test.tokens.create(owner.user, { name: 'CI', scopes: SCOPES, expiresAt });
        add(issued.token, issued.rawToken);
      },
      createByToken: async () => {
        if (!token) return;
        const heir = heirOf(token);
        await make(token.rawToken, heir, model.isAlive(token) && !heir.isRevoked, token.endsAt);
      },
      createByJwt: async () => {
        if (!family || !latest) return;
        const allowed = model.isAccepted(family, latest.endsAt) && !family.isRevoked && family.endsAt > model.now;
        await make(latest.jwt, family, allowed, family.endsAt);
      },
      rotate: async () => {
        if (!token) return;
        const graceSeconds = random.below(2) * 120;
        const issued = await test.tokens.rotate(token.id, { graceSeconds }).catch(() => undefined);
        const allowed = !token.isRevoked && token.endsAt > model.now && !token.isReplaced;
        expect(issued !== undefined).toBe(allowed);
        if (!issued) return;
        const successor = model.tokens[add(issued.token, issued.rawToken, token.maker) - 1]!;
        for (const each of model.tokens) if (each.maker === token) each.maker = successor;
        token.isReplaced = true;
        if (graceSeconds === 0) token.isRevoked = true;
        else token.endsAt = Math.min(token.endsAt, inSeconds(graceSeconds));
        successors.set(token, successor);
      },
      revoke: async () => {
        if (!token) return;
        await fulfils(test.tokens.revoke(token.id));
        model.revoke(token);
      },
      revokeAll: async () => {
        await test.tokens.revokeAll(owner.user);
        for (const each of model.tokensOf(owner)) each.isRevoked = true;
      },
      signIn: async () => {
        const pair = await test.jwt.generateTokens(owner.user, SCOPES).catch(() => undefined);
        expect(pair !== undefined).toBe(owner.isActive);
        if (!pair) return;
        const endsAt = inSeconds(JWT.absoluteTtl);
        const { access, current } = record(pair, endsAt);
        const id = familyIdOf(pair);
        const alive = { isRevoked: false, isSignedOut: false };
        model.families.push({ owner, id, endsAt, ...alive, accessTokens: [access], consumed: [], current });
      },
      refresh: async () => {
        if (!family) return;
        const allowed = model.canRefresh(family);
        const pair = await test.jwt.refresh(family.current.refreshToken).catch(() => undefined);
        expect(pair !== undefined).toBe(allowed);
        if (!pair) return;
        family.consumed.push(family.current.refreshToken);
        const { access, current } = record(pair, family.endsAt);
        family.accessTokens.push(access);
        family.current = current;
      },
      reuse: async () => {
        const stolen = family && pick(family.consumed);
        if (!family || stolen === undefined) return;
        const code = await test.jwt.refresh(stolen).then(
          () => 'none',
          (error: unknown) => (error as { code: string }).code,
        );
        if (code !== 'reuse_detected') return;
        family.isRevoked = true;
        model.revokeMadeBy(family);
      },
      revokeFamily: async () => {
        if (!family) return;
        await fulfils(test.jwt.revokeFamily(owner.user, family.id));
        family.isRevoked = true;
      },
      revokeAllRefresh: async () => {
        await test.jwt.revokeAllRefresh(owner.user);
        model.signOut(owner);
      },
      signOutEverywhere: async () => {
        await test.jwt.signOutEverywhere(owner.user);
        model.signOut(owner);
      },
      lockOut: async () => {
        await test.get(CredentialService).lockOut(owner.user);
        model.signOut(owner);
        for (const each of model.tokensOf(owner)) each.isRevoked = true;
      },
      forget: async () => {
        await test.get(CredentialService).forget(owner.user);
        model.signOut(owner);
        for (const each of model.tokensOf(owner)) each.isRevoked = true;
      },
      deactivate: async () => {
        owner.isActive = !owner.isActive;
        await test.dataSource.query('UPDATE users SET disabled_at = $2 WHERE id = $1', [
          owner.user.id,
          owner.isActive ? null : new Date(),
        ]);
        Object.assign(owner.user, { disabledAt: owner.isActive ? null : new Date() });
      },
      wait: async () => {
        const seconds = [1, 59, 60, 100, 300, 600][random.below(6)]!;
        test.clock.advance({ seconds });
        model.now += seconds * SECOND;
      },
    };
    const frequent = ['create', 'createByToken', 'createByJwt', 'rotate', 'signIn', 'refresh', 'reuse'];
    const name = pick([...Object.keys(changes), ...Array.from({ length: 6 }, () => frequent).flat()])!;
    await changes[name]!();
    return name;
  }

  const successors = new Map<Token, Token>();
  /** A token in its grace period makes tokens for the last of its successors. */
  function heirOf(token: Token): Token {
    const successor = successors.get(token);
    return successor ? heirOf(successor) : token;
  }

  it.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
    'seed %i',
    async (seed) => {
      const random = new SeededRandom(seed);
      const model = new Model();
      model.now = test.clock.now().getTime();
      for (const name of ['ada', 'grace']) {
        model.owners.push({ user: await test.addUser(`${name}-${seed}@example.com`), isActive: true });
      }

      const done: string[] = [];
      for (let step = 0; step < STEPS; step++) {
        done.push(await change(model, random));
        await compare(model).catch((error: unknown) => {
          throw new Error(`after ${done.join(', ')}`, { cause: error });
        });
      }
      expect(model.tokens.length + model.families.length).toBeGreaterThan(5);
    },
    120_000,
  );
});
