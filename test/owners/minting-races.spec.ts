import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CredentialService, type JwtCheck, type SigraError, type TokenPair } from 'nestjs-sigra';
import { onDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { closeJwtApps, JWT, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';
import { rounds } from '../support/rounds.js';
import { ServerNode } from '../support/server-node.js';
import type { TestApp, User } from '../support/test-app.js';

const ROUNDS = rounds(2);
const TIMEOUT = 60_000 + ROUNDS * 5_000;
const CHECKS: readonly JwtCheck[] = ['stateless', 'epoch', 'family'];

interface Victim {
  readonly user: User;
  readonly rawToken: string;
  readonly tokenId: string;
  readonly pair: TokenPair;
}

/** A way to end a thief's credential. Everything that the thief made with it must be dead afterwards. */
type End = (victim: Victim) => Promise<unknown>;

describe.each(CHECKS)(
  'A thief whose credential ends while requests are in flight at two processes, with the check %s',
  (check) => {
    let test: JwtApp;
    let nodes: ServerNode[] = [];
    let count = 0;
    /** While it is set, sign-ins wait here, after they were authorized and before they write. */
    let barrier: { arrived: number; readonly opened: Promise<void> } | undefined;
    const claims = async () => {
      if (barrier) barrier.arrived++;
      await barrier?.opened;
      return {};
    };

    beforeAll(async () => {
      const jwt = { ...JWT, check, accessTtl: 3600, maxFamiliesPerOwner: 10_000 } as const;
      test = await startJwtApp({ ...jwt, claims });
      // The clock of the application stands still, and those of the nodes do not.
      test.clock.set(new Date());
      await test.dataSource.query('CREATE TABLE ended_sessions (user_id text PRIMARY KEY)');
      nodes = await Promise.all(
        (['express', 'fastify'] as const).map((adapter) =>
          ServerNode.start({ adapter, databaseUrl: test.databaseUrl, jwt, endsSessions: true }),
        ),
      );
    }, 60_000);
    afterAll(async () => {
      await Promise.all(nodes.map((node) => node.stop()));
      await closeJwtApps();
    });

    const victim = async (): Promise<Victim> => {
      const user = await test.addUser(`user-${++count}@example.com`);
      const { rawToken, token } = await test.tokens.create(user, { name: 'stolen', scopes: ['*'] });
      return { user, rawToken, tokenId: token.id, pair: await test.jwt.generateTokens(user, ['*']) };
    };
    const credentials = () => test.get(CredentialService);
    const isValid = (rawToken: string) =>
      test.tokens.verify(rawToken).then(
        () => true,
        () => false,
      );

    const endSessions = (user: User) => test.dataSource.query('INSERT INTO ended_sessions VALUES ($1)', [user.id]);

    const ends = {
      revokeAll: ({ user }) => test.tokens.revokeAll(user),
      'the revocation of the token': ({ tokenId }) => test.tokens.revoke(tokenId),
      lockOut: ({ user }) => credentials().lockOut(user),
      deactivation: ({ user }) =>
        test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]),
      'signOutEverywhere and revokeAll': async ({ user }) => {
        await test.jwt.signOutEverywhere(user);
        await test.tokens.revokeAll(user);
      },
      'reuse of its refresh token': async ({ pair }) => {
        await test.jwt.refresh(pair.refreshToken);
        expect(await refusalOf(test.jwt.refresh(pair.refreshToken))).toBe('reuse_detected');
      },
      'the end of all sessions and revokeAll': async ({ user }) => {
        await endSessions(user);
        await test.tokens.revokeAll(user);
      },
      'the end of all sessions and lockOut': async ({ user }) => {
        await endSessions(user);
        await credentials().lockOut(user);
      },
    } satisfies Record<string, End>;

    const apiToken = ({ rawToken }: Victim) => ({ authorization: `Bearer ${rawToken}` });
    const jwt = ({ pair }: Victim) => ({ authorization: `Bearer ${pair.accessToken}` });
    const session = ({ user }: Victim) => ({ 'x-session-user': user.id });

    it.each<[string, keyof typeof ends, (victim: Victim) => Readonly<Record<string, string>>]>([
      ['an API token', 'revokeAll', apiToken],
      ['an API token', 'the revocation of the token', apiToken],
      ['an API token', 'lockOut', apiToken],
      ['an API token', 'deactivation', apiToken],
      ['a JWT', 'lockOut', jwt],
      ['a JWT', 'signOutEverywhere and revokeAll', jwt],
      ['a JWT', 'reuse of its refresh token', jwt],
      ['a JWT', 'deactivation', jwt],
      ['a session', 'the end of all sessions and revokeAll', session],
      ['a session', 'the end of all sessions and lockOut', session],
      ['a session', 'deactivation', session],
    ])(
      'keeps no API token that %s makes, after %s',
      async (_what, end, headersOf) => {
        let made = 0;
        for (let round = 0; round < ROUNDS; round++) {
          const thiefs = await victim();
          const stolen = headersOf(thiefs);
          const kept: string[] = [];
          let hasEnded = false;
          const steal = async (url: string) => {
            // Goes on until the end is done, and once more.
            for (let last = false; !last;) {
              last = hasEnded;
              const answer = await fetch(`${url}/api/tokens`, {
                method: 'POST',
                headers: { ...stolen, 'content-type': 'application/json' },
                body: JSON.stringify({ name: 'mine', scopes: ['*'] }),
              });
              const body = (await answer.json()) as { rawToken?: string };
              if (body.rawToken !== undefined) kept.push(body.rawToken);
            }
          };
          const inFlight = 8 << (round % 4);

          const stealing = Array.from({ length: inFlight }, (_, index) => steal(nodes[index % nodes.length]!.url));
          // At once, or after some tokens were made.
          await eventually(() => kept.length >= (round % 3) * 4);
          await ends[end](thiefs);
          hasEnded = true;
          await Promise.all(stealing);

          made += kept.length;
          const survivors = await Promise.all([...kept, thiefs.rawToken].map(isValid));
          const isOwnAlive = end === 'reuse of its refresh token';
          expect(survivors.filter(Boolean)).toHaveLength(isOwnAlive ? 1 : 0);
        }
        expect(made).toBeGreaterThan(0);
      },
      TIMEOUT,
    );

    it(
      'keeps no token with more than the scopes that a stolen token was narrowed to, by making and by rotating',
      async () => {
        const narrow = ['read:notes', 'api_tokens:write'];
        let made = 0;
        for (let round = 0; round < ROUNDS; round++) {
          const { rawToken, tokenId } = await victim();
          const kept = [{ rawToken, id: tokenId }];
          let hasEnded = false;
          const steal = async (url: string, index: number) => {
            let own = kept[0]!;
            for (let last = false, step = index; !last; step++) {
              last = hasEnded;
              const [path, body] =
                step % 3 === 2 && own.id !== tokenId
                  ? [`/${own.id}/rotate`, { graceSeconds: step % 2 ? 0 : 60 }]
                  : ['', { name: 'mine', scopes: last ? narrow : ['*'] }];
              const answer = await fetch(`${url}/api/tokens${path}`, {
                method: 'POST',
                headers: { authorization: `Bearer ${own.rawToken}`, 'content-type': 'application/json' },
                body: JSON.stringify(body),
              });
              const issued = (await answer.json()) as { rawToken?: string; token: { id: string } };
              if (issued.rawToken === undefined) continue;
              // Some descend from the first token, others from each other.
              const next = { rawToken: issued.rawToken, id: issued.token.id };
              if (index % 2 === 0) own = next;
              kept.push(next);
            }
          };

          const stealing = Array.from({ length: 8 }, (_, index) => steal(nodes[index % nodes.length]!.url, index));
          await eventually(() => kept.length > 4 + (round % 3) * 4);
          await test.tokens.update(tokenId, { scopes: narrow });
          hasEnded = true;
          await Promise.all(stealing);

          made += kept.length - 1;
          const lists = await Promise.all(
            kept.map((each) =>
              test.tokens.verify(each.rawToken).then(
                ({ scopes }) => scopes,
                () => [],
              ),
            ),
          );
          expect(lists.flat().filter((scope) => !narrow.includes(scope))).toEqual([]);
          expect(lists[0]).toEqual(narrow);
        }
        expect(made).toBeGreaterThan(0);
      },
      TIMEOUT,
    );

    it(
      'keeps no successor with more than the scopes that the chain of rotations was narrowed to',
      async () => {
        for (let round = 0; round < ROUNDS; round++) {
          const { rawToken, tokenId } = await victim();
          const kept = [{ rawToken, id: tokenId }];
          let hasEnded = false;
          const steal = async (url: string) => {
            for (let last = false; !last;) {
              last = hasEnded;
              const own = kept.at(-1)!;
              const answer = await fetch(`${url}/api/tokens/${own.id}/rotate`, {
                method: 'POST',
                headers: { authorization: `Bearer ${own.rawToken}`, 'content-type': 'application/json' },
                body: JSON.stringify({ graceSeconds: 600 }),
              });
              const issued = (await answer.json()) as { rawToken?: string; token: { id: string } };
              if (issued.rawToken !== undefined) kept.push({ rawToken: issued.rawToken, id: issued.token.id });
            }
          };
          // Only the last token of the chain can be narrowed, so the owner tries until no rotation is first.
          const narrow = async (): Promise<void> => {
            for (;;) {
              const code = await test.tokens.update(kept.at(-1)!.id, { scopes: ['read:notes'] }).then(
                () => undefined,
                (error: unknown) => (error as SigraError).code,
              );
              if (code === undefined) return;
              expect(code).toBe('token_revoked');
            }
          };

          const stealing = Array.from({ length: 4 }, (_, index) => steal(nodes[index % nodes.length]!.url));
          await eventually(() => kept.length > 2);
          await narrow();
          hasEnded = true;
          await Promise.all(stealing);

          const verified = await Promise.all(kept.map((each) => test.tokens.verify(each.rawToken)));
          expect(verified.map(({ scopes }) => scopes)).toEqual(kept.map(() => ['read:notes']));
        }
      },
      TIMEOUT,
    );

    it.each<keyof typeof ends>(['revokeAll', 'lockOut', 'deactivation'])(
      'keeps no successor of an API token that rotates itself, after %s',
      async (end) => {
        let rotations = 0;
        for (let round = 0; round < ROUNDS; round++) {
          const thiefs = await victim();
          const kept = [{ rawToken: thiefs.rawToken, id: thiefs.tokenId }];
          let hasEnded = false;
          const steal = async (url: string) => {
            for (let last = false; !last;) {
              last = hasEnded;
              const { rawToken, id } = kept.at(-1)!;
              const answer = await fetch(`${url}/api/tokens/${id}/rotate`, {
                method: 'POST',
                headers: { authorization: `Bearer ${rawToken}`, 'content-type': 'application/json' },
                // In their grace period the old tokens are valid, too.
                body: JSON.stringify({ graceSeconds: round % 2 === 0 ? 0 : 60 }),
              });
              const body = (await answer.json()) as { rawToken?: string; token: { id: string } };
              if (body.rawToken !== undefined) kept.push({ rawToken: body.rawToken, id: body.token.id });
            }
          };

          const stealing = Array.from({ length: 8 }, (_, index) => steal(nodes[index % nodes.length]!.url));
          await eventually(() => kept.length > (round % 3) * 2);
          await ends[end](thiefs);
          hasEnded = true;
          await Promise.all(stealing);

          rotations += kept.length - 1;
          const survivors = await Promise.all(kept.map(({ rawToken }) => isValid(rawToken)));
          expect(survivors.filter(Boolean)).toEqual([]);
        }
        expect(rotations).toBeGreaterThan(0);
      },
      TIMEOUT,
    );

    it(
      'keeps no token that descends from a revoked one, by making and by rotating',
      async () => {
        for (let round = 0; round < ROUNDS; round++) {
          const { rawToken, tokenId } = await victim();
          const kept = [{ rawToken, id: tokenId }];
          let hasEnded = false;
          const send = (url: string, bearer: string, path: string, body: object) =>
            fetch(`${url}/api/tokens${path}`, {
              method: 'POST',
              headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
              body: JSON.stringify(body),
            });
          const steal = async (url: string, index: number) => {
            let own = kept[0]!;
            for (let last = false, step = index; !last; step++) {
              last = hasEnded;
              // Each makes a token with its latest one, and then rotates that.
              const answer =
                step % 2 === 0
                  ? await send(url, own.rawToken, '', { name: 'mine', scopes: ['*'] })
                  : await send(url, own.rawToken, `/${own.id}/rotate`, {});
              const body = (await answer.json()) as { rawToken?: string; token: { id: string } };
              if (body.rawToken === undefined) continue;
              own = { rawToken: body.rawToken, id: body.token.id };
              kept.push(own);
            }
          };

          // The first token is only used to make others.
          const stealing = Array.from({ length: 8 }, (_, index) => steal(nodes[index % nodes.length]!.url, index * 2));
          await eventually(() => kept.length > 8);
          await test.tokens.revoke(tokenId);
          hasEnded = true;
          await Promise.all(stealing);

          const survivors = await Promise.all(kept.map((each) => isValid(each.rawToken)));
          expect(survivors.filter(Boolean)).toEqual([]);
        }
      },
      TIMEOUT,
    );

    it.each<[string, End]>([
      ['revokeAllRefresh', ({ user }) => test.jwt.revokeAllRefresh(user)],
      ['signOutEverywhere', ({ user }) => test.jwt.signOutEverywhere(user)],
      ['lockOut', ({ user }) => credentials().lockOut(user)],
      [
        'the revocation of each family',
        async ({ user }) => {
          for (const { id } of (await test.jwt.listFamilies(user)).families) await test.jwt.revokeFamily(user, id);
        },
      ],
    ])(
      'keeps no refresh token after %s',
      async (_what, end) => {
        for (let round = 0; round < ROUNDS; round++) {
          const thiefs = await victim();
          const inFlight = 8 << (round % 3);
          const pairs = await Promise.all(
            Array.from({ length: inFlight }, () => test.jwt.generateTokens(thiefs.user, ['*'])),
          );

          const refreshing = pairs.map(async ({ refreshToken }, index) => {
            const answer = await fetch(`${nodes[index % nodes.length]!.url}/oauth/token`, {
              method: 'POST',
              body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken }),
            });
            const body = (await answer.json()) as { refresh_token?: string };
            return body.refresh_token;
          });
          await delay(round % 5);
          await end(thiefs);
          const kept = (await Promise.all(refreshing)).filter((each) => each !== undefined);

          const codes = await Promise.all(
            [...kept, thiefs.pair.refreshToken].map((refreshToken) => refusalOf(test.jwt.refresh(refreshToken))),
          );
          expect(new Set(codes)).toEqual(new Set(['token_revoked']));
        }
      },
      TIMEOUT,
    );

    it.each<[string, End]>([
      ['revokeAllRefresh', ({ user }) => test.jwt.revokeAllRefresh(user)],
      ['signOutEverywhere', ({ user }) => test.jwt.signOutEverywhere(user)],
      ['lockOut', ({ user }) => credentials().lockOut(user)],
    ])(
      'keeps nothing of a sign-in that began before %s',
      async (_what, end) => {
        for (let round = 0; round < ROUNDS; round++) {
          const { user } = await victim();

          let open: () => void = () => undefined;
          const waiting = { arrived: 0, opened: new Promise<void>((resolve) => (open = resolve)) };
          barrier = waiting;
          const signIns = Array.from({ length: 16 }, () =>
            test.jwt.generateTokens(user.id, ['*']).catch(() => undefined),
          );
          await eventually(() => waiting.arrived === signIns.length);
          await end({ user } as Victim);
          barrier = undefined;
          open();
          const pairs = (await Promise.all(signIns)).filter((pair) => pair !== undefined);

          // All of them were authorized before, so none of them gets a pair.
          expect(pairs).toEqual([]);
          expect((await test.jwt.listFamilies(user)).families).toEqual([]);
        }
      },
      TIMEOUT,
    );

    it.each<[string, End]>([
      ['revokeAll', ({ user }) => test.tokens.revokeAll(user)],
      ['lockOut', ({ user }) => credentials().lockOut(user)],
    ])(
      'keeps no token of a creation that began before %s',
      async (_what, end) => {
        for (let round = 0; round < ROUNDS; round++) {
          const { user } = await victim();

          // The creations are authorized, and wait for the owner's row.
          const release = await lockOwner(test, user.id);
          const creations = Array.from({ length: 16 }, () =>
            test.tokens.create(user, { name: 'CI', scopes: ['*'] }).catch(() => undefined),
          );
          await eventually(async () => (await countWaiting(test)) >= 5);
          const ended = end({ user } as Victim);
          await delay(round % 3);
          await release();
          await ended;
          const issued = (await Promise.all(creations)).filter((each) => each !== undefined);

          expect(await Promise.all(issued.map(({ rawToken }) => isValid(rawToken)))).toEqual(issued.map(() => false));
        }
      },
      TIMEOUT,
    );
  },
);

/** Locks the row of an owner. @returns ends the lock */
async function lockOwner({ dataSource }: TestApp, id: string): Promise<() => Promise<void>> {
  const runner = dataSource.createQueryRunner();
  await runner.startTransaction();
  await runner.query(`INSERT INTO sigra_owners VALUES ('user', $1, 0, 0) ON CONFLICT DO NOTHING`, [id]);
  await runner.commitTransaction();
  await runner.startTransaction();
  await runner.query(`SELECT FROM sigra_owners WHERE owner_id = $1 FOR UPDATE`, [id]);
  return async () => {
    await runner.commitTransaction();
    await runner.release();
  };
}

/** The number of statements that wait for a lock. */
function countWaiting({ databaseUrl }: TestApp): Promise<number> {
  return onDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows[0]!.count;
  });
}
