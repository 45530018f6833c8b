import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuditService, type TokenPair } from 'nestjs-sigra';
import { refusalOf } from '../support/refusal.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import type { User } from '../support/test-app.js';
import { type JsonAnswer, TokenClient } from '../support/token-client.js';

const MINUTE = 60_000;
const SCOPES = ['api_tokens:write', 'api_tokens:read', 'read:notes'];

describe('What a credential makes', () => {
  let test: JwtApp;
  let count = 0;

  beforeAll(async () => {
    test = await startJwtApp({ check: 'epoch', accessTtl: 3600 });
  });
  afterAll(() => test.close());

  const addUser = () => test.addUser(`user-${++count}@example.com`);
  const issue = (user: User, expiresIn?: number) =>
    test.tokens.create(user, {
      name: 'maker',
      scopes: SCOPES,
      expiresAt: expiresIn === undefined ? undefined : inMs(expiresIn),
    });
  const inMs = (ms: number) => new Date(test.clock.now().getTime() + ms);
  const through = (credential: string) => TokenClient.withToken(test, credential);
  const make = async (credential: string, body: object = {}): Promise<JsonAnswer> =>
    through(credential).create({ name: 'made', scopes: SCOPES, ...body });
  const stateOf = (rawToken: string) =>
    test.tokens.verify(rawToken).then(
      () => 'valid',
      () => refusalOf(test.tokens.verify(rawToken)),
    );

  describe('by an API token', () => {
    it('names it in madeBy, and a session as null', async () => {
      const user = await addUser();
      const maker = await issue(user);

      const made = await make(maker.rawToken);
      const bySession = await TokenClient.inSession(test, user.id).create({ name: 'mine', scopes: ['*'] });

      expect(made.body.token.madeBy).toEqual({ type: 'api_token', id: maker.token.id });
      expect(bySession.body.token.madeBy).toBeNull();
    });

    it('does not outlive it: an expiry that is not given is its own, and a later one is refused', async () => {
      const maker = await issue(await addUser(), MINUTE);

      const inherited = await make(maker.rawToken);
      const earlier = await make(maker.rawToken, { expiresAt: inMs(MINUTE / 2).toISOString() });
      const later = await make(maker.rawToken, { expiresAt: inMs(MINUTE + 1).toISOString() });
      const never = await make(maker.rawToken, { expiresAt: null });

      expect(inherited.body.token.expiresAt).toBe(maker.token.expiresAt!.toISOString());
      expect(earlier.body.token.expiresAt).toBe(inMs(MINUTE / 2).toISOString());
      expect([later.status, later.body.error]).toEqual([400, 'ttl_exceeded']);
      expect(never.body.token.expiresAt).toBe(maker.token.expiresAt!.toISOString());
    });

    it('is revoked with it, to any depth, with an audit row and a reason each', async () => {
      const user = await addUser();
      const maker = await issue(user);
      const child = (await make(maker.rawToken)).body;
      const grandchild = (await make(child.rawToken)).body;
      const stranger = await issue(user);

      await test.tokens.revoke(maker.token.id);

      expect(await Promise.all([child, grandchild, stranger].map(({ rawToken }) => stateOf(rawToken)))).toEqual([
        'token_revoked',
        'token_revoked',
        'valid',
      ]);
      const rows: object[] = await test.dataSource.query(
        `SELECT t.revoke_reason AS reason, count(e.id)::int AS events FROM sigra_api_tokens t
         JOIN sigra_audit_events e ON e.target_id = t.id::text AND e.action = 'api.token_revoke'
         WHERE t.id = ANY ($1) GROUP BY t.id, t.revoke_reason ORDER BY t.id`,
        [[maker.token.id, child.token.id, grandchild.token.id]],
      );
      expect(rows).toEqual([
        { reason: 'revoked', events: 1 },
        { reason: 'made_by_revoked', events: 1 },
        { reason: 'made_by_revoked', events: 1 },
      ]);
    });

    it('belongs to its successor after a rotation, and ends with that one', async () => {
      const maker = await issue(await addUser());
      const child = (await make(maker.rawToken)).body;
      const successor = await test.tokens.rotate(maker.token.id, { graceSeconds: 60 });
      const late = (await make(maker.rawToken)).body;

      const before = await Promise.all([child, late].map(({ rawToken }) => stateOf(rawToken)));
      const madeBy = late.token.madeBy;
      await test.tokens.revoke(successor.token.id);

      expect(before).toEqual(['valid', 'valid']);
      expect(madeBy).toEqual({ type: 'api_token', id: maker.token.id });
      expect([maker.token.originId, successor.token.originId]).toEqual([null, maker.token.id]);
      expect(await Promise.all([child, late].map(({ rawToken }) => stateOf(rawToken)))).toEqual([
        'token_revoked',
        'token_revoked',
      ]);
    });

    it('is not made by a token in its grace period whose successor is revoked', async () => {
      const maker = await issue(await addUser());
      const successor = await test.tokens.rotate(maker.token.id, { graceSeconds: 60 });
      await test.tokens.revoke(successor.token.id);

      const made = await make(maker.rawToken);

      expect([made.status, made.body.error]).toEqual([401, 'invalid_token']);
    });

    it('by rotating itself, does not live longer', async () => {
      const maker = await issue(await addUser(), MINUTE);
      test.clock.advance({ seconds: 30 });

      const rotated = await through(maker.rawToken).rotate(maker.token.id);
      const extended = await through(rotated.body.rawToken).rotate(rotated.body.token.id, {
        expiresAt: inMs(MINUTE).toISOString(),
      });

      expect(rotated.body.token.expiresAt).toBe(maker.token.expiresAt!.toISOString());
      expect([extended.status, extended.body.error]).toEqual([400, 'ttl_exceeded']);
    });

    it('by rotating another token, belongs to it: the successor ends with the credential that holds it', async () => {
      const user = await addUser();
      const thief = await issue(user);
      const victim = await issue(user);

      const rotated = (await through(thief.rawToken).rotate(victim.token.id)).body;
      const before = await stateOf(rotated.rawToken);
      await test.tokens.revoke(thief.token.id);

      expect(rotated.token.madeBy).toEqual({ type: 'api_token', id: thief.token.id });
      expect([before, await stateOf(rotated.rawToken)]).toEqual(['valid', 'token_revoked']);
    });

    it('is not extended beyond its maker by a rotation in person', async () => {
      const user = await addUser();
      const maker = await issue(user, MINUTE);
      const child = (await make(maker.rawToken)).body;
      test.clock.advance({ seconds: 30 });

      const rotated = await TokenClient.inSession(test, user.id).rotate(child.token.id);

      expect(rotated.body.token.expiresAt).toBe(maker.token.expiresAt!.toISOString());
      expect(rotated.body.token.madeBy).toEqual({ type: 'api_token', id: maker.token.id });
    });

    it('ends with it when it is a family for a JWT, also by revokeAll', async () => {
      const owners = [await addUser(), await addUser()];
      const [one, other] = await Promise.all(
        owners.map(async (user) => {
          const maker = await issue(user);
          const principal = {
            user,
            userId: user.id,
            method: 'api_token',
            scopes: SCOPES,
            tokenId: maker.token.id,
          } as const;
          const pair = await test.jwt.generateTokens(user, ['read:notes'], { principal });
          return { user, maker, pair };
        }),
      );

      await test.tokens.revoke(one!.maker.token.id);
      await test.tokens.revokeAll(other!.user);

      expect(await refusalOf(test.jwt.refresh(one!.pair.refreshToken))).toBe('token_revoked');
      expect(await refusalOf(test.jwt.refresh(other!.pair.refreshToken))).toBe('token_revoked');
    });
  });

  describe('by a JWT', () => {
    const signIn = async (): Promise<{ user: User; pair: TokenPair }> => {
      const user = await addUser();
      return { user, pair: await test.jwt.generateTokens(user, ['*']) };
    };

    it('names the family in madeBy, and ends at its absolute expiry at the latest', async () => {
      const { pair } = await signIn();

      const made = await make(pair.accessToken);
      const [{ end }] = await test.dataSource.query<[{ end: Date }]>(
        'SELECT absolute_expires_at AS "end" FROM sigra_refresh_families WHERE id = $1',
        [familyIdOf(pair)],
      );

      expect(made.body.token.madeBy).toEqual({ type: 'refresh_family', id: familyIdOf(pair) });
      expect(made.body.token.expiresAt).toBe(end.toISOString());
    });

    it('stays when the person signs out on the device', async () => {
      const { pair } = await signIn();
      const made = (await make(pair.accessToken)).body;

      await test.jwt.revokeRefresh(pair.refreshToken);

      expect(await stateOf(made.rawToken)).toBe('valid');
    });

    it('is revoked when the reuse is detected after a thief has signed the family out', async () => {
      const user = await addUser();
      const stolen = await test.jwt.generateTokens(user, ['*']);
      const thiefs = await test.jwt.refresh(stolen.refreshToken);
      const made = await make(thiefs.accessToken, { scopes: ['read:notes'] });
      await test.jwt.revokeRefresh(thiefs.refreshToken);
      const before = await stateOf(made.body.rawToken);

      const detected = await refusalOf(test.jwt.refresh(stolen.refreshToken));
      const again = await refusalOf(test.jwt.refresh(stolen.refreshToken));

      expect([before, detected, again]).toEqual(['valid', 'reuse_detected', 'token_revoked']);
      expect(await stateOf(made.body.rawToken)).toBe('token_revoked');
    });

    it('is revoked when the family is revoked for reuse', async () => {
      const { pair } = await signIn();
      const made = (await make(pair.accessToken)).body;
      const child = (await make(made.rawToken)).body;
      await test.jwt.refresh(pair.refreshToken);

      expect(await refusalOf(test.jwt.refresh(pair.refreshToken))).toBe('reuse_detected');

      expect(await stateOf(made.rawToken)).toBe('token_revoked');
      expect(await stateOf(child.rawToken)).toBe('token_revoked');
    });

    it('cannot be made any more once the device has signed out, although the JWT is valid', async () => {
      const { pair } = await signIn();
      await test.jwt.revokeRefresh(pair.refreshToken);

      const me = await test.present(pair.accessToken);
      const made = await make(pair.accessToken);

      expect(me.status).toBe(200);
      expect([made.status, made.body.error]).toEqual([401, 'invalid_token']);
    });
  });

  describe('ends in spite of detours:', () => {
    const principalOf = (user: User, pair: TokenPair) =>
      ({ user, userId: user.id, method: 'jwt', scopes: ['*'], familyId: familyIdOf(pair) }) as const;
    const makerPrincipal = (user: User, tokenId: string) =>
      ({ user, userId: user.id, method: 'api_token', scopes: ['*'], tokenId }) as const;

    it('a token whose maker was rotated by its own child', async () => {
      const user = await addUser();
      const maker = await issue(user);
      const child = (await make(maker.rawToken)).body;
      const grandchild = (await make(child.rawToken)).body;
      const rotated = (await through(grandchild.rawToken).rotate(child.token.id)).body;
      const before = await Promise.all([grandchild, rotated].map(({ rawToken }) => stateOf(rawToken)));

      await test.tokens.revoke(maker.token.id);

      expect(before).toEqual(['valid', 'valid']);
      expect(await Promise.all([grandchild, rotated].map(({ rawToken }) => stateOf(rawToken)))).toEqual([
        'token_revoked',
        'token_revoked',
      ]);
    });

    it('the same below a family whose reuse is detected', async () => {
      const user = await addUser();
      const pair = await test.jwt.generateTokens(user, ['*']);
      const child = (await make(pair.accessToken)).body;
      const grandchild = (await make(child.rawToken)).body;
      const rotated = (await through(grandchild.rawToken).rotate(child.token.id)).body;
      await test.jwt.refresh(pair.refreshToken);

      await refusalOf(test.jwt.refresh(pair.refreshToken));

      expect(await Promise.all([grandchild, rotated].map(({ rawToken }) => stateOf(rawToken)))).toEqual([
        'token_revoked',
        'token_revoked',
      ]);
    });

    it('a token below a family that was signed out', async () => {
      const user = await addUser();
      const { token } = await test.tokens.create(user, { name: 'root', scopes: ['*'] });
      const pair = await test.jwt.generateTokens(user, ['*'], { principal: makerPrincipal(user, token.id) });
      const made = (await make(pair.accessToken)).body;
      await test.jwt.revokeRefresh(pair.refreshToken);
      const before = await stateOf(made.rawToken);

      await test.tokens.revoke(token.id);

      expect([before, await stateOf(made.rawToken)]).toEqual(['valid', 'token_revoked']);
    });

    it('a token below a family that was signed out and that another family made, by the reuse of that one', async () => {
      const user = await addUser();
      const first = await test.jwt.generateTokens(user, ['*']);
      const second = await test.jwt.generateTokens(user, ['*'], { principal: principalOf(user, first) });
      const made = (await make(second.accessToken)).body;
      await test.jwt.revokeRefresh(second.refreshToken);
      await test.jwt.refresh(first.refreshToken);

      await refusalOf(test.jwt.refresh(first.refreshToken));

      expect(await stateOf(made.rawToken)).toBe('token_revoked');
    });

    it.each([0, 3600])(
      'what a token made before another credential rotated it, with a grace of %i s',
      async (graceSeconds) => {
        const user = await addUser();
        const [maker, other] = [await issue(user), await issue(user)];
        const child = (await make(maker.rawToken)).body;
        const grandchild = (await make(child.rawToken)).body;
        const rotated = (await through(other.rawToken).rotate(child.token.id, { graceSeconds })).body;

        await test.tokens.revoke(maker.token.id);

        expect(await stateOf(grandchild.rawToken)).toBe('token_revoked');
        expect(await stateOf(rotated.rawToken)).toBe('valid');
      },
    );

    it('what a token made before another credential rotated it, when that credential is revoked', async () => {
      const user = await addUser();
      const [maker, other] = [await issue(user), await issue(user)];
      const child = (await make(maker.rawToken)).body;
      const family = await test.jwt.generateTokens(user, ['*'], { principal: makerPrincipal(user, child.token.id) });
      const grandchild = (await make(child.rawToken)).body;
      const below = (await make(grandchild.rawToken)).body;
      const rotated = (await through(other.rawToken).rotate(child.token.id)).body;
      const again = (await through(rotated.rawToken).rotate(rotated.token.id)).body;

      await test.tokens.revoke(other.token.id);

      const made = [again, grandchild, below];
      expect(await Promise.all(made.map(({ rawToken }) => stateOf(rawToken)))).toEqual(made.map(() => 'token_revoked'));
      expect(await refusalOf(test.jwt.refresh(family.refreshToken))).toBe('token_revoked');
      expect(await stateOf(maker.rawToken)).toBe('valid');
    });

    it('but not with a successor that another credential has rotated since', async () => {
      const user = await addUser();
      const [token, first, second] = [await issue(user), await issue(user), await issue(user)];
      const child = (await make(token.rawToken)).body;
      const rotated = (await through(first.rawToken).rotate(token.token.id, { graceSeconds: 60 })).body;
      await through(second.rawToken).rotate(rotated.token.id, { graceSeconds: 60 });

      await test.tokens.revoke(first.token.id);
      const before = [await stateOf(rotated.rawToken), await stateOf(child.rawToken)];
      await test.tokens.revoke(second.token.id);

      expect(before).toEqual(['token_revoked', 'valid']);
      expect(await stateOf(child.rawToken)).toBe('token_revoked');
    });

    it('the same with an earlier end of that credential', async () => {
      const user = await addUser();
      const [token, other] = [await issue(user), await issue(user)];
      const child = (await make(token.rawToken)).body;
      const pair = await test.jwt.generateTokens(user, ['*'], { principal: makerPrincipal(user, child.token.id) });
      await through(other.rawToken).rotate(token.token.id);

      await test.tokens.rotate(other.token.id, { expiresAt: inMs(MINUTE) });
      const before = await stateOf(child.rawToken);
      test.clock.advance({ minutes: 1 });

      expect([before, await stateOf(child.rawToken)]).toEqual(['valid', 'token_expired']);
      expect(await refusalOf(test.jwt.refresh(pair.refreshToken))).toBe('token_expired');
    });

    it('what a token made without an end, when a rotation gives it one', async () => {
      const user = await addUser();
      const maker = await issue(user);
      const child = (await make(maker.rawToken)).body;
      const grandchild = (await make(child.rawToken)).body;
      const pair = await test.jwt.generateTokens(user, ['*'], { principal: makerPrincipal(user, maker.token.id) });

      await through(maker.rawToken).rotate(maker.token.id, { expiresAt: inMs(MINUTE).toISOString() });
      const before = await stateOf(grandchild.rawToken);
      test.clock.advance({ minutes: 1 });

      expect([before, await stateOf(child.rawToken), await stateOf(grandchild.rawToken)]).toEqual([
        'valid',
        'token_expired',
        'token_expired',
      ]);
      expect(await refusalOf(test.jwt.refresh(pair.refreshToken))).toBe('token_expired');
    });

    it('a child that rotates itself while its maker is revoked, in 60 interleavings', async () => {
      const user = await addUser();
      let rotations = 0;
      for (let round = 0; round < 60; round++) {
        const maker = await issue(user);
        const child = (await make(maker.rawToken)).body;

        const rotating = through(child.rawToken).rotate(child.token.id);
        await delay(round % 12);
        await test.tokens.revoke(maker.token.id);
        const rotated = await rotating;

        if (rotated.status !== 201) continue;
        rotations++;
        expect(await stateOf(rotated.body.rawToken)).toBe('token_revoked');
      }
      expect(rotations).toBeGreaterThan(0);
    });

    it('a token that its child rotates all the time: the revocation is never the victim of a deadlock', async () => {
      const user = await addUser();
      for (let round = 0; round < 20; round++) {
        const maker = await issue(user);
        const child = (await make(maker.rawToken)).body;

        const rotating = Array.from({ length: 8 }, () => through(child.rawToken).rotate(maker.token.id));
        await delay(round % 6);
        let revoked = await test.tokens.revoke(maker.token.id);
        const answers = await Promise.all(rotating);
        // As for a token that leaked: a rotation can have come first.
        while (revoked.replacedBy !== null) revoked = await test.tokens.revoke(revoked.replacedBy);

        const raw = [
          maker.rawToken,
          child.rawToken,
          ...answers.filter(({ status }) => status === 201).map(({ body }) => body.rawToken),
        ];
        expect(new Set(await Promise.all(raw.map(stateOf)))).toEqual(new Set(['token_revoked']));
        expect(answers.every(({ status }) => status < 500)).toBe(true);
      }
    });
  });

  it('is made only within the scopes of its maker, and only tokens with those scopes are managed', async () => {
    const user = await addUser();
    const maker = await issue(user);
    const root = await test.tokens.create(user, { name: 'root', scopes: ['*'] });
    const client = through(maker.rawToken);

    const answers = [await client.revoke(root.token.id), await client.rotate(root.token.id), await client.revokeAll()];

    expect(answers.map(({ status, body }) => [status, body.error, body.missing])).toEqual([
      [403, 'insufficient_scope', ['*']],
      [403, 'insufficient_scope', ['*']],
      [403, 'insufficient_scope', ['*']],
    ]);
    expect(await stateOf(root.rawToken)).toBe('valid');
    expect((await client.revoke(maker.token.id)).status).toBe(204);
  });

  it('records who made it in the audit trail', async () => {
    const maker = await issue(await addUser());
    const made = (await make(maker.rawToken)).body;

    const { events } = await test.get(AuditService).query({ targetId: made.token.id });

    expect(events).toMatchObject([
      { action: 'api.token_create', metadata: { method: 'api_token', viaTokenId: maker.token.id } },
    ]);
  });
});
