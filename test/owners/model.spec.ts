import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type Caller,
  CredentialService,
  type Principal,
  type SigraError,
  TokenCleanupService,
  type TokenPair,
} from 'nestjs-sigra';
import { Authenticator } from '../../libs/sigra/src/auth/authenticator.js';
import { ClientTokenIssuer } from '../../libs/sigra/src/jwt/client-token.issuer.js';
import { JwtIntrospector } from '../../libs/sigra/src/jwt/jwt.introspector.js';
import { type Actor, CredentialModel } from '../support/credential-model.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { rounds } from '../support/rounds.js';
import { SeededRandom } from '../support/seeded-random.js';

const SEEDS = rounds(5);
const STEPS = 120;
const OWNERS = ['ada', 'grace', 'alan'];
const SECOND = 1000;
const JWT = { accessTtl: 60, refreshTtl: 600, absoluteTtl: 1800, reuseLeeway: 30, check: 'epoch' } as const;
/** Revoked rows are deleted soon, because what they made must not depend on them. */
const CLEANUP = { schedule: false, revokedRetention: 600 } as const;
const scopesOf = (isNarrow: boolean) => (isNarrow ? ['read:notes'] : ['*']);
const REFUSED = 'refused';

describe('For random sequences of changes, no credential is accepted that a simple model says is dead, and none refused that it says is alive', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp(JWT, { sigra: { cleanup: CLEANUP } });
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
    const scopes = (isAlive: boolean, { isNarrow }: { readonly isNarrow: boolean }) =>
      isAlive ? scopesOf(isNarrow).join(' ') : REFUSED;
    const verified = (jwt: string) =>
      test.jwt.verifyAccess(jwt).then(
        ({ scope }) => scope,
        () => REFUSED,
      );
    const checks: [string, string | undefined, Promise<string | undefined>][] = [
      ...model.tokens.map((token): (typeof checks)[number] => [
        `token ${token.id}`,
        scopes(model.isAlive(token), token),
        test.tokens.verify(token.rawToken).then(
          (found) => found.scopes.join(' '),
          () => REFUSED,
        ),
      ]),
      ...model.families.map((family): (typeof checks)[number] => [
        `refresh token of ${family.id}`,
        scopes(model.canRefresh(family), family),
        introspector
          .introspect(family.current.refreshToken)
          .then((found) => (found ? (found.scope as string) : REFUSED)),
      ]),
      ...model.families.flatMap((family) =>
        family.accessTokens.map((access): (typeof checks)[number] => [
          `JWT of ${family.id}`,
          scopes(model.isAccepted(family, access.endsAt), access),
          verified(access.jwt),
        ]),
      ),
      ...model.grants.map((grant): (typeof checks)[number] => [
        `JWT of the client ${grant.token.id}`,
        scopes(model.isGrantAccepted(grant), grant),
        verified(grant.jwt),
      ]),
    ];
    const actual = await Promise.all(checks.map(async ([what, , result]) => [what, await result]));
    expect(actual).toEqual(checks.map(([what, expected]) => [what, expected]));
  }

  /** The caller of a request with the credential of an actor. */
  async function callerOf(actor: Actor): Promise<Caller> {
    if (!actor) return {};
    const credential = 'token' in actor ? actor.token.rawToken : 'grant' in actor ? actor.grant.jwt : actor.jwt.jwt;
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
    const byJwt: Actor = family && latest && { family, jwt: latest };
    const grant = pickAlive(
      model.grants.filter((each) => each.token.owner === owner),
      model.isGrantAccepted,
    );
    const byClient: Actor = grant && { grant };
    const inSeconds = (seconds: number) => model.now + seconds * SECOND;
    const dateOf = (time: number | undefined) => (time === undefined ? undefined : new Date(time));
    const timeOf = (date: Date | null) => date?.getTime() ?? Infinity;
    const randomEnd = (seconds: number) => [undefined, inSeconds(seconds), inSeconds(2 * seconds)][random.below(3)];

    const create = async (actor: Actor) => {
      const requested = randomEnd(actor ? 100 : 300);
      const isNarrow = random.below(4) === 0;
      const request = { name: 'CI', scopes: scopesOf(isNarrow), expiresAt: dateOf(requested) };
      const issued = await callerOf(actor)
        .then((caller) => test.tokens.create(someone.user, request, caller))
        .catch(() => undefined);
      const endsAt = model.canMake(actor, isNarrow)
        ? model.endOfNew(requested, Infinity, model.endOf(actor))
        : undefined;
      expect(issued && timeOf(issued.token.expiresAt)).toBe(endsAt);
      if (issued) model.addToken(someone, { ...issued, id: issued.token.id }, endsAt!, isNarrow, actor);
    };
    const rotate = async (actor: Actor) => {
      if (!other) return;
      const graceSeconds = random.below(2) * 120;
      const requested = randomEnd(100);
      const issued = await callerOf(actor)
        .then((caller) => test.tokens.rotate(other.id, { graceSeconds, expiresAt: dateOf(requested) }, caller))
        .catch(() => undefined);
      const { inherited, latest } = model.endsOfRotation(other, actor);
      const isAllowed = model.canMake(actor, other.isNarrow) && model.canRotate(other);
      const endsAt = isAllowed ? model.endOfNew(requested, inherited, latest) : undefined;
      expect(issued && timeOf(issued.token.expiresAt)).toBe(endsAt);
      if (issued) model.rotate(other, { ...issued, id: issued.token.id }, endsAt!, graceSeconds * SECOND, actor);
    };
    const record = (pair: TokenPair, endOfFamily: number, isNarrow: boolean) => ({
      access: { jwt: pair.accessToken, endsAt: inSeconds(pair.expiresIn), isNarrow },
      current: { refreshToken: pair.refreshToken, endsAt: Math.min(inSeconds(JWT.refreshTtl), endOfFamily) },
    });
    const signIn = async (actor: Actor) => {
      const isNarrow = random.below(4) === 0;
      const pair = await callerOf(actor)
        .then((caller) => test.jwt.generateTokens(someone.user, scopesOf(isNarrow), caller))
        .catch(() => undefined);
      expect(pair !== undefined).toBe(model.canMake(actor, isNarrow) && someone.isActive);
      if (!pair) return;
      const endsAt = Math.min(inSeconds(JWT.absoluteTtl), model.endOf(actor));
      const { access, current } = record(pair, endsAt, isNarrow);
      model.addFamily(someone, familyIdOf(pair), endsAt, { accessTokens: [access], current, isNarrow }, actor);
    };

    const wait = (seconds: number) => {
      test.clock.advance({ seconds });
      model.now += seconds * SECOND;
    };
    const clean = async () => {
      const { complete, forgottenOwners } = await test.get(TokenCleanupService).cleanupExpiredTokens();
      expect([complete, forgottenOwners <= 1]).toEqual([true, true]);
    };
    /** Deletes the user, and makes another one with the same id. */
    const recycle = async (forget: () => Promise<void>) => {
      const { id, email } = owner.user;
      await test.dataSource.query('DELETE FROM users WHERE id = $1', [id]);
      await forget();
      await test.dataSource.query('INSERT INTO users (id, email) VALUES ($1, $2)', [id, email]);
      model.forget(owner);
      owner.isActive = true;
      Object.assign(owner.user, { disabledAt: null });
    };

    const changes: Readonly<Record<string, () => Promise<void>>> = {
      create: () => create(undefined),
      createByToken: async () => byToken && create(byToken),
      createByJwt: async () => byJwt && create(byJwt),
      createByClient: async () => byClient && create(byClient),
      rotate: () => rotate(undefined),
      rotateByToken: async () => byToken && rotate(byToken),
      rotateByJwt: async () => byJwt && rotate(byJwt),
      rotateByClient: async () => byClient && rotate(byClient),
      signIn: () => signIn(undefined),
      signInByToken: async () => byToken && signIn(byToken),
      signInByJwt: async () => byJwt && signIn(byJwt),
      clientCredentials: async () => {
        if (!byToken || !token) return;
        const issued = await callerOf(byToken)
          .then(({ principal }) => test.get(ClientTokenIssuer).issue(principal as Principal, undefined, {}))
          .catch(() => undefined);
        expect(issued !== undefined).toBe(model.canMake(byToken, token.isNarrow));
        if (!issued) return;
        const endsAt = inSeconds(issued.expiresIn);
        model.grants.push({ jwt: issued.accessToken, endsAt, isNarrow: token.isNarrow, token, isEnded: false });
      },
      refresh: async () => {
        if (!family) return;
        const allowed = model.canRefresh(family);
        const pair = await test.jwt.refresh(family.current.refreshToken).catch(() => undefined);
        expect(pair !== undefined).toBe(allowed);
        if (!pair) return;
        family.consumed.push({ refreshToken: family.current.refreshToken, at: model.now });
        const { access, current } = record(pair, family.endsAt, family.isNarrow);
        family.accessTokens.push(access);
        family.current = current;
      },
      reuse: async () => {
        const stolen = family && pick(family.consumed)?.refreshToken;
        if (!family || stolen === undefined) return;
        const pair = await test.jwt.refresh(stolen).catch((error: unknown) => (error as SigraError).code);
        const expected = model.replay(family, stolen, JWT.reuseLeeway * SECOND);
        expect(typeof pair === 'object' ? 'replayed' : pair === 'reuse_detected' ? 'reuse' : REFUSED).toBe(expected);
        if (typeof pair !== 'object') return;
        expect(pair.refreshToken).toBe(family.current.refreshToken);
        family.accessTokens.push(record(pair, family.endsAt, family.isNarrow).access);
      },
      moveEnd: async () => {
        if (!other) return;
        const endsAt = inSeconds([30, 100, 400][random.below(3)]!);
        const isAllowed = model.canRotate(other) && endsAt <= model.endOfMaker(other);
        expect(await fulfils(test.tokens.update(other.id, { expiresAt: new Date(endsAt) }))).toBe(isAllowed);
        if (isAllowed) model.moveEnd(other, endsAt);
      },
      narrow: async () => {
        if (!other) return;
        const isAllowed = model.canRotate(other);
        expect(await fulfils(test.tokens.update(other.id, { scopes: scopesOf(true) }))).toBe(isAllowed);
        if (isAllowed) model.narrow(other);
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
        model.forget(owner);
      },
      cleanUp: () => clean(),
      recycle: async () => {
        await recycle(() => test.get(CredentialService).forget(owner.user.id));
      },
      recycleAfterCleanUp: async () => {
        await recycle(async () => {
          // Longer than clean-up leaves new owners alone.
          wait(3601);
          await clean();
        });
      },
      deactivate: async () => {
        owner.isActive = !owner.isActive;
        const disabledAt = owner.isActive ? null : new Date();
        await test.dataSource.query('UPDATE users SET disabled_at = $2 WHERE id = $1', [owner.user.id, disabledAt]);
        Object.assign(owner.user, { disabledAt });
      },
      wait: async () => {
        wait([1, 20, 29, 30, 60, 100, 300, 600][random.below(8)]!);
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
