import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CredentialService, type JwtCheck } from 'nestjs-sigra';
import { DpopClient } from '../support/dpop-client.js';
import { eventually } from '../support/eventually.js';
import { API, ForeignIssuer } from '../support/foreign-issuer.js';
import { closeJwtApps, JWT, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';
import { rounds } from '../support/rounds.js';
import { ServerNode } from '../support/server-node.js';
import type { User } from '../support/test-app.js';

const ROUNDS = rounds(2);
const TIMEOUT = 60_000 + ROUNDS * 5_000;
const CHECKS: readonly JwtCheck[] = ['stateless', 'family'];
/** Where clients reach the nodes, according to `jwt.issuer`. */
const BASE = JWT.issuer;

interface Victim {
  readonly user: User;
  readonly client: { readonly id: string; readonly secret: string };
}

/** Makes a credential at a node. @returns undefined when it is refused */
type Steal = (url: string) => Promise<string | undefined>;

/** What makes credentials, besides API tokens and JWTs, which `minting-races.spec.ts` has. */
interface Thief {
  /** Prepares the requests of one round. */
  readonly prepare: (victim: Victim) => Promise<Steal> | Steal;
  /** Whether something that was made is still accepted. */
  readonly lives: (made: string) => Promise<boolean>;
}

describe.each(CHECKS)('A principal that ends while its requests are in flight, with the check %s', (check) => {
  let test: JwtApp;
  let issuer: ForeignIssuer;
  let nodes: ServerNode[] = [];
  let count = 0;

  beforeAll(async () => {
    const dpop = { mode: 'optional' } as const;
    const jwt = { ...JWT, check, dpop, accessTtl: 3600, maxFamiliesPerOwner: 10_000 } as const;
    test = await startJwtApp(jwt);
    // The clock of the application stands still, and those of the nodes do not.
    test.clock.set(new Date());
    // Its tokens are older than their end, which is recorded by the clock of the application.
    issuer = await ForeignIssuer.start(() => test.clock.now());
    const issuers = [{ issuer: issuer.url, audience: API, algorithms: ['ES256'] as const }];
    await test.dataSource.query('CREATE TABLE ended_sessions (user_id text PRIMARY KEY)');
    nodes = await Promise.all(
      (['express', 'fastify'] as const).map((adapter) =>
        ServerNode.start({ adapter, databaseUrl: test.databaseUrl, jwt, issuers, endsSessions: true }),
      ),
    );
  }, 60_000);
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await issuer.close();
    await closeJwtApps();
  });

  const victim = async (): Promise<Victim> => {
    const user = await test.addUser(`user-${++count}@example.com`);
    const { rawToken, token } = await test.tokens.create(user, { name: 'client', scopes: ['*'] });
    return { user, client: { id: token.id, secret: rawToken } };
  };
  const lockOut = ({ user }: Victim) => test.get(CredentialService).lockOut(user);
  const endAtHost = ({ user }: Victim) => test.dataSource.query('INSERT INTO ended_sessions VALUES ($1)', [user.id]);
  const ends = {
    revokeAll: ({ user }) => test.tokens.revokeAll(user),
    'the revocation of the token': ({ client }) => test.tokens.revoke(client.id),
    lockOut,
    deactivation: ({ user }) => test.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]),
    'signOutEverywhere and revokeAll': async ({ user }) => {
      await test.jwt.signOutEverywhere(user);
      await test.tokens.revokeAll(user);
    },
    'its end at the host and revokeAll': async (ended) => {
      await endAtHost(ended);
      await test.tokens.revokeAll(ended.user);
    },
    'its end at the host and signOutEverywhere': async (ended) => {
      await endAtHost(ended);
      await test.jwt.signOutEverywhere(ended.user);
    },
    'its end at the host and lockOut': async (ended) => {
      await endAtHost(ended);
      await lockOut(ended);
    },
  } satisfies Record<string, (victim: Victim) => Promise<unknown>>;

  const post = async (url: string, headers: Readonly<Record<string, string>>, body: object) => {
    const isForm = body instanceof URLSearchParams;
    const answer = await fetch(url, {
      method: 'POST',
      headers: { ...headers, ...(!isForm && { 'content-type': 'application/json' }) },
      body: isForm ? body : JSON.stringify(body),
    });
    return (await answer.json()) as { rawToken?: string; refresh_token?: string; access_token?: string };
  };
  const makeToken = async (url: string, headers: Readonly<Record<string, string>>) =>
    (await post(`${url}/api/tokens`, headers, { name: 'mine', scopes: ['read:notes'] })).rawToken;
  const isValid = (rawToken: string) =>
    test.tokens.verify(rawToken).then(
      () => true,
      () => false,
    );
  const isRefreshed = (refreshToken: string) =>
    test.jwt.refresh(refreshToken).then(
      () => true,
      () => false,
    );
  const grant = (url: string, client: Victim['client']) =>
    post(
      `${url}/oauth/token`,
      {},
      new URLSearchParams({ grant_type: 'client_credentials', client_id: client.id, client_secret: client.secret }),
    );

  const thieves = {
    'a session that signs in': {
      prepare:
        ({ user }) =>
        async (url) =>
          (await post(`${url}/api/jwt`, { 'x-session-user': user.id }, { scopes: ['*'] })).refresh_token,
      lives: isRefreshed,
    },
    'a credential of the host': {
      prepare:
        ({ user }) =>
        (url) =>
          makeToken(url, { 'x-host-user': user.id }),
      lives: isValid,
    },
    'a token of another issuer': {
      prepare: async ({ user }) => {
        const signed = await issuer.sign(user.id, { claims: { scope: 'api_tokens:write read:notes' } });
        return (url) => makeToken(url, { authorization: `Bearer ${signed}` });
      },
      lives: isValid,
    },
    'a JWT that is bound to a key': {
      prepare: async ({ user }) => {
        const key = new DpopClient();
        const binding = { dpopThumbprint: key.thumbprint };
        const { accessToken } = await test.jwt.generateTokens(user, ['*'], {}, binding);
        return (url) => makeToken(url, key.headers('POST', `${BASE}/api/tokens`, accessToken));
      },
      lives: isValid,
    },
    'an access token of client_credentials': {
      prepare:
        ({ client }) =>
        async (url) => {
          const { access_token: accessToken } = await grant(url, client);
          return accessToken === undefined ? undefined : makeToken(url, { authorization: `Bearer ${accessToken}` });
        },
      lives: isValid,
    },
    'a client that asks for access tokens': {
      prepare:
        ({ client }) =>
        async (url) =>
          (await grant(url, client)).access_token,
      // Without the check, an access token is accepted until it expires. It makes nothing in any case.
      lives: async (accessToken) => {
        const made = await makeToken(nodes[0]!.url, { authorization: `Bearer ${accessToken}` });
        const isAccepted = check === 'family' && (await refusalOf(test.jwt.verifyAccess(accessToken)).catch(() => ''));
        return made !== undefined || isAccepted === '';
      },
    },
    'a refresh token': {
      prepare: async ({ user }) => {
        let { refreshToken } = await test.jwt.generateTokens(user, ['*']);
        return async (url) => {
          const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken });
          const { refresh_token: successor } = await post(`${url}/oauth/token`, {}, form);
          // Only one of several in flight gets a successor; the reuse ends the family.
          if (successor !== undefined) refreshToken = successor;
          return successor;
        };
      },
      lives: isRefreshed,
    },
  } satisfies Record<string, Thief>;

  it.each<[keyof typeof thieves, keyof typeof ends]>([
    ['a session that signs in', 'its end at the host and signOutEverywhere'],
    ['a session that signs in', 'its end at the host and lockOut'],
    ['a session that signs in', 'deactivation'],
    ['a credential of the host', 'its end at the host and revokeAll'],
    ['a credential of the host', 'its end at the host and lockOut'],
    ['a credential of the host', 'deactivation'],
    ['a token of another issuer', 'signOutEverywhere and revokeAll'],
    ['a token of another issuer', 'lockOut'],
    ['a token of another issuer', 'deactivation'],
    ['a JWT that is bound to a key', 'signOutEverywhere and revokeAll'],
    ['a JWT that is bound to a key', 'lockOut'],
    ['a JWT that is bound to a key', 'deactivation'],
    ['an access token of client_credentials', 'revokeAll'],
    ['an access token of client_credentials', 'the revocation of the token'],
    ['an access token of client_credentials', 'lockOut'],
    ['an access token of client_credentials', 'deactivation'],
    ['a client that asks for access tokens', 'revokeAll'],
    ['a client that asks for access tokens', 'the revocation of the token'],
    ['a client that asks for access tokens', 'lockOut'],
    ['a client that asks for access tokens', 'deactivation'],
    ['a refresh token', 'deactivation'],
  ])(
    'leaves nothing of what %s makes, after %s',
    async (thief, end) => {
      let made = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const robbed = await victim();
        const inFlight = 8 << (round % 3);
        const { prepare, lives }: Thief = thieves[thief];
        // A refresh token of its own for each request in flight, for else the first reuse ends them all.
        const steals = await Promise.all(Array.from({ length: inFlight }, async () => prepare(robbed)));
        const kept: string[] = [];
        let hasEnded = false;
        const stealing = steals.map(async (steal, index) => {
          // Goes on until the end is done, and once more.
          for (let last = false; !last;) {
            last = hasEnded;
            const credential = await steal(nodes[index % nodes.length]!.url);
            if (credential !== undefined) kept.push(credential);
          }
        });

        // At once, or after some were made.
        await eventually(() => kept.length >= (round % 3) * 4);
        await ends[end](robbed);
        hasEnded = true;
        await Promise.all(stealing);

        made += kept.length;
        const survivors = (await Promise.all(kept.map(lives))).filter(Boolean);
        expect({ round, survivors: survivors.length }).toEqual({ round, survivors: 0 });
      }
      expect(made).toBeGreaterThan(0);
    },
    TIMEOUT,
  );
});
