import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Caller, CredentialService, type TokenPair } from 'nestjs-sigra';
import { Authenticator } from '../../libs/sigra/src/auth/authenticator.js';
import { JwtIntrospector } from '../../libs/sigra/src/jwt/jwt.introspector.js';
import { type Actor, CredentialModel } from '../support/credential-model.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { rounds } from '../support/rounds.js';
import { SeededRandom } from '../support/seeded-random.js';

const SEEDS = rounds(5);
const STEPS = 80;
const OWNERS = ['ada', 'grace', 'alan'];
const SECOND = 1000;
const JWT = { accessTtl: 60, refreshTtl: 600, absoluteTtl: 1800, check: 'epoch' } as const;
const SCOPES = ['*'];

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
  async function compare(model: CredentialModel): Promise<void> {
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

  /** The caller of a request with the credential of an actor. */
  async function callerOf(actor: Actor): Promise<Caller> {
    if (!actor) return {};
    const credential = 'token' in actor ? actor.token.rawToken : actor.family.accessTokens.at(-1)!.jwt;
    const request = { method: 'POST', headers: { authorization: `Bearer ${credential}` } };
    const principal = await test.get(Authenticator).authenticate(request, { bearer: true, session: false });
    return { principal };
  }

  /** One random change, in the application and in the model. @returns its name */
  async function change(model: CredentialModel, random: SeededRandom): Promise<string> {
    const pick = <T>(values: readonly T[]): T | undefined => values[random.below(values.length)];
    const owner = pick(model.owners)!;
    // Mostly credentials that are alive, so that chains of them grow, and mostly one's own.
    const pickAlive = <T>(all: readonly T[], isAlive: (each: T) => boolean): T | undefined =>
      (random.below(4) > 0 ? pick(all.filter(isAlive)) : undefined) ?? pick(all);
    const someone = random.below(3) > 0 ? owner : pick(model.owners)!;
    const token = pickAlive(model.tokensOf(owner), model.isAlive);
    const family = pickAlive(model.familiesOf(owner), model.canRefresh);
    const latest = family?.accessTokens.at(-1);
    const other = pickAlive(model.tokensOf(someone), model.isAlive);
    const byToken: Actor = token && { token };
    const byJwt: Actor = family && latest && { family, jwtEndsAt: latest.endsAt };
    const inSeconds = (seconds: number) => model.now + seconds * SECOND;
    const dateOf = (time: number | undefined) => (time === undefined ? undefined : new Date(time));
    const timeOf = (date: Date | null) => date?.getTime() ?? Infinity;
    const randomEnd = (seconds: number) => [undefined, inSeconds(seconds), inSeconds(2 * seconds)][random.below(3)];

    const create = async (actor: Actor) => {
      const requested = randomEnd(actor ? 100 : 300);
      const request = { name: 'CI', scopes: SCOPES, expiresAt: dateOf(requested) };
      const issued = await callerOf(actor)
        .then((caller) => test.tokens.create(someone.user, request, caller))
        .catch(() => undefined);
      const endsAt = model.canMake(actor) ? model.endOfNew(requested, Infinity, model.endOf(actor)) : undefined;
      expect(issued && timeOf(issued.token.expiresAt)).toBe(endsAt);
      if (issued) model.addToken(someone, { ...issued, id: issued.token.id }, endsAt!, actor);
    };
    const rotate = async (actor: Actor) => {
      if (!other) return;
      const graceSeconds = random.below(2) * 120;
      const requested = randomEnd(100);
      const issued = await callerOf(actor)
        .then((caller) => test.tokens.rotate(other.id, { graceSeconds, expiresAt: dateOf(requested) }, caller))
        .catch(() => undefined);
      const { inherited, latest } = model.endsOfRotation(other, actor);
      const isAllowed = model.canMake(actor) && model.canRotate(other);
      const endsAt = isAllowed ? model.endOfNew(requested, inherited, latest) : undefined;
      expect(issued && timeOf(issued.token.expiresAt)).toBe(endsAt);
      if (issued) model.rotate(other, { ...issued, id: issued.token.id }, endsAt!, graceSeconds * SECOND, actor);
    };
    const record = (pair: TokenPair, endOfFamily: number) => ({
      access: { jwt: pair.accessToken, endsAt: inSeconds(pair.expiresIn) },
      current: { refreshToken: pair.refreshToken, endsAt: Math.min(inSeconds(JWT.refreshTtl), endOfFamily) },
    });
    const signIn = async (actor: Actor) => {
      const pair = await callerOf(actor)
        .then((caller) => test.jwt.generateTokens(someone.user, SCOPES, caller))
        .catch(() => undefined);
      expect(pair !== undefined).toBe(model.canMake(actor) && someone.isActive);
      if (!pair) return;
      const endsAt = Math.min(inSeconds(JWT.absoluteTtl), model.endOf(actor));
      const { access, current } = record(pair, endsAt);
      model.addFamily(someone, familyIdOf(pair), endsAt, { accessTokens: [access], current }, actor);
    };

    const changes: Readonly<Record<string, () => Promise<void>>> = {
      create: () => create(undefined),
      createByToken: async () => byToken && create(byToken),
      createByJwt: async () => byJwt && create(byJwt),
      rotate: () => rotate(undefined),
      rotateByToken: async () => byToken && rotate(byToken),
      rotateByJwt: async () => byJwt && rotate(byJwt),
      signIn: () => signIn(undefined),
      signInByToken: async () => byToken && signIn(byToken),
      signInByJwt: async () => byJwt && signIn(byJwt),
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
        if (code === 'reuse_detected') model.lockOutFamily(family);
      },
      revoke: async () => {
        if (!token) return;
        await fulfils(test.tokens.revoke(token.id));
        model.revoke(token);
      },
      lockOutToken: async () => {
        if (!token) return;
        await fulfils(test.tokens.lockOut(token.id));
        model.lockOutToken(token);
      },
      revokeAll: async () => {
        await test.tokens.revokeAll(owner.user);
        model.revokeAll(owner);
      },
      revokeFamily: async () => {
        if (!family) return;
        await fulfils(test.jwt.revokeFamily(owner.user, family.id));
        family.isRevoked = true;
      },
      lockOutFamily: async () => {
        if (!family) return;
        await fulfils(test.jwt.lockOutFamily(owner.user, family.id));
        model.lockOutFamily(family);
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
        model.lockOut(owner);
      },
      forget: async () => {
        await test.get(CredentialService).forget(owner.user);
        model.lockOut(owner);
      },
      deactivate: async () => {
        owner.isActive = !owner.isActive;
        const disabledAt = owner.isActive ? null : new Date();
        await test.dataSource.query('UPDATE users SET disabled_at = $2 WHERE id = $1', [owner.user.id, disabledAt]);
        Object.assign(owner.user, { disabledAt });
      },
      wait: async () => {
        const seconds = [1, 59, 60, 100, 300, 600][random.below(6)]!;
        test.clock.advance({ seconds });
        model.now += seconds * SECOND;
      },
    };
    const making = Object.keys(changes).slice(0, Object.keys(changes).indexOf('revoke'));
    const name = pick([...Object.keys(changes), ...Array.from({ length: 4 }, () => making).flat()])!;
    await changes[name]!();
    return name;
  }

  it.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
    'seed %i',
    async (seed) => {
      const random = new SeededRandom(seed);
      const model = new CredentialModel(test.clock.now().getTime());
      for (const name of OWNERS) {
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
