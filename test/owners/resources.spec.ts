import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import {
  type Caller,
  CurrentCaller,
  type CreateApiToken,
  type IssuedApiToken,
  RequireScopes,
  type ResourceFinder,
  SigraJwtService,
  type TokenPair,
} from 'nestjs-sigra';
import { closeJwtApps, claimsOf } from '../support/jwt-app.js';
import { OAUTH_CONTROLLERS, type OAuthApp, startOAuthApp, tokensIn } from '../support/oauth-app.js';
import { refusalOf } from '../support/refusal.js';

const ONE = 'note:1';
const TWO = 'note:2';
const BOTH = [ONE, TWO];
const noteOf: ResourceFinder = (context) => {
  const { params } = context.switchToHttp().getRequest<{ params: Readonly<Record<string, string>> }>();
  return `note:${params.id}`;
};

@Controller()
class LimitedController {
  constructor(private readonly jwt: SigraJwtService) {}

  @Post('sign-in')
  signIn(@CurrentCaller() caller: Caller, @Body() { scopes }: { scopes: string[] }) {
    return this.jwt.generateTokens(caller.principal?.userId ?? '', scopes, caller);
  }

  @Get('limited/:id')
  @RequireScopes('read:notes', { resource: noteOf })
  read(@Param('id') id: string) {
    return { id };
  }
}

describe.each(['family', 'stateless'] as const)(
  'What credentials make that are limited to resources, with %s',
  (check) => {
    let test: OAuthApp;
    /** Runs in a request that is authenticated, before anything is written. */
    let meanwhile: (() => Promise<unknown>) | undefined;
    const pause = async () => {
      const run = meanwhile;
      meanwhile = undefined;
      await run?.();
      return {};
    };

    beforeAll(async () => {
      test = await startOAuthApp(
        { claims: pause, check },
        {
          controllers: [LimitedController],
          sigra: {
            controllers: OAUTH_CONTROLLERS,
            apiTokens: { scopes: ['read:notes', 'write:notes', 'admin'], parseMetadata: pause },
          },
        },
      );
    });
    afterAll(closeJwtApps);
    beforeEach(async () => {
      meanwhile = undefined;
      await test.tokens.revokeAll(test.user);
    });

    const create = (resources: readonly string[] | null, more: Partial<CreateApiToken> = {}) =>
      test.tokens.create(test.user, { name: 'CI', scopes: ['*'], resources, ...more });
    const post = async (credential: string, path: string, body: object = {}, headers: Record<string, string> = {}) => {
      const answer = await fetch(`${test.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
      return { status: answer.status, body: (await answer.json()) as IssuedApiToken & TokenPair & { error?: string } };
    };
    const make = async (credential: string, more: object = {}): Promise<IssuedApiToken> => {
      const { status, body } = await post(credential, '/api/tokens', { name: 'made', scopes: ['*'], ...more });
      expect([status, body.error]).toEqual([201, undefined]);
      return body;
    };
    const signIn = async (credential: string): Promise<TokenPair> => {
      const { status, body } = await post(credential, '/sign-in', { scopes: ['*'] });
      expect([status, body.error]).toEqual([201, undefined]);
      return body;
    };
    const statusOf = async (credential: string, id: number) =>
      (await fetch(`${test.url}/limited/${id}`, { headers: { authorization: `Bearer ${credential}` } })).status;
    const statusesOf = async (credential: string) => [await statusOf(credential, 1), await statusOf(credential, 2)];
    const refresh = (refreshToken: string) => test.jwt.refresh(refreshToken);
    const clientCredentials = async ({ token, rawToken }: IssuedApiToken) =>
      tokensIn(
        await test.post('token', { grant_type: 'client_credentials', client_id: token.id, client_secret: rawToken }),
      ).access_token;
    const limitOf = async (id: string) => {
      const sql = (table: string) => `SELECT resources FROM ${table} WHERE id = $1`;
      const rows = await test.dataSource.query<{ resources: string[] | null }[]>(
        `${sql('sigra_api_tokens')} UNION ALL ${sql('sigra_refresh_families')}`,
        [id],
      );
      return rows[0]?.resources;
    };
    const familyOf = ({ accessToken }: TokenPair) => String(claimsOf(accessToken).sid);

    it.each([
      ['nothing', {}, BOTH],
      ['all resources', { resources: null }, BOTH],
      ['some of them', { resources: [TWO] }, [TWO]],
    ])('gets at most the resources of its maker, for a request of %s', async (_what, request, expected) => {
      const maker = await create(BOTH);

      const { rawToken, token } = await make(maker.rawToken, request);

      expect(token.resources).toEqual(expected);
      expect(await statusOf(rawToken, 2)).toBe(200);
      expect(await statusOf(rawToken, 3)).toBe(403);
    });

    it.each([[['note:3']], [[ONE, 'note:3']], [['note:*']]])(
      'is not made for %j, beyond its maker',
      async (resources) => {
        const { status, body } = await post((await create(BOTH)).rawToken, '/api/tokens', {
          name: 'x',
          scopes: ['*'],
          resources,
        });

        expect([status, body.error]).toEqual([400, 'invalid_resources']);
      },
    );

    it('is limited as JWTs of a sign-in, after each refresh, and in what these make', async () => {
      const pair = await signIn((await create([ONE])).rawToken);
      const next = await refresh(pair.refreshToken);
      const made = await make(next.accessToken);

      for (const credential of [pair.accessToken, next.accessToken, made.rawToken]) {
        expect(await statusesOf(credential)).toEqual([200, 403]);
      }
      expect(claimsOf(next.accessToken).allowed_resources).toEqual([ONE]);
      expect(await limitOf(familyOf(pair))).toEqual([ONE]);
      expect(await limitOf(made.token.id)).toEqual([ONE]);
    });

    it('is limited as a JWT of client_credentials, which makes nothing beyond', async () => {
      const accessToken = await clientCredentials(await create([ONE]));

      expect(claimsOf(accessToken).allowed_resources).toEqual([ONE]);
      expect(await statusesOf(accessToken)).toEqual([200, 403]);
      expect((await make(accessToken)).token.resources).toEqual([ONE]);
    });

    it('has no such claim without a limit', async () => {
      const maker = await create(null);

      for (const jwt of [(await signIn(maker.rawToken)).accessToken, await clientCredentials(maker)]) {
        expect(claimsOf(jwt)).not.toHaveProperty('allowed_resources');
        expect(await statusesOf(jwt)).toEqual([200, 200]);
      }
    });

    it('is shown by introspection', async () => {
      const maker = await create([ONE]);
      const pair = await signIn(maker.rawToken);
      const asker = await create(null);
      const credentials = { client_id: asker.token.id, client_secret: asker.rawToken };

      for (const token of [maker.rawToken, pair.accessToken, pair.refreshToken]) {
        expect((await test.post('introspect', { token, ...credentials })).body).toMatchObject({
          active: true,
          allowed_resources: [ONE],
        });
      }
      const all = (await test.post('introspect', { token: asker.rawToken, ...credentials })).body;
      expect(all).not.toHaveProperty('allowed_resources');
    });

    describe('when the list of the maker becomes narrower', () => {
      it('is limited with it to any depth, and through rotations', async () => {
        const maker = await create(null);
        const child = await make(maker.rawToken, { resources: ['note:*', 'folder:1'] });
        const grandchild = await make(child.rawToken);
        const successor = await test.tokens.rotate(grandchild.token.id);
        const family = await signIn(child.rawToken);
        const ofFamily = await make(family.accessToken);
        const other = await create(null);

        await test.tokens.update(maker.token.id, { resources: [ONE, 'folder:*', 'user:1'] });

        for (const id of [child.token.id, successor.token.id, familyOf(family), ofFamily.token.id]) {
          expect([...((await limitOf(id)) ?? [])].sort()).toEqual(['folder:1', ONE]);
        }
        expect(await limitOf(other.token.id)).toBeNull();
        expect(await statusesOf(successor.rawToken)).toEqual([200, 403]);
        expect(claimsOf((await refresh(family.refreshToken)).accessToken).allowed_resources).toEqual(
          await limitOf(familyOf(family)),
        );
      });

      it('holds nothing when it has nothing in common with it', async () => {
        const maker = await create(null);
        const child = await make(maker.rawToken, { resources: [ONE] });

        await test.tokens.update(maker.token.id, { resources: [TWO] });

        expect(await limitOf(child.token.id)).toEqual([]);
        expect(await statusesOf(child.rawToken)).toEqual([403, 403]);
      });

      it('stays as it is when the list becomes wider', async () => {
        const maker = await create([ONE]);
        const child = await make(maker.rawToken);

        await test.tokens.update(maker.token.id, { resources: null });

        expect(await limitOf(child.token.id)).toEqual([ONE]);
      });

      it('is limited together with earlier tokens of the rotations in their grace period', async () => {
        const old = await create(null);
        const { token } = await test.tokens.rotate(old.token.id, { graceSeconds: 600 });

        await test.tokens.update(token.id, { resources: [TWO] });

        expect(await statusesOf(old.rawToken)).toEqual([403, 200]);
      });
    });

    describe('in requests that are under way while the list becomes narrower', () => {
      const narrowing = (id: string, resources: readonly string[]) => () => test.tokens.update(id, { resources });

      it('gets the narrower list', async () => {
        const maker = await create(null);
        meanwhile = narrowing(maker.token.id, BOTH);
        const token = await make(maker.rawToken);
        meanwhile = narrowing(maker.token.id, [ONE]);
        const pair = await signIn(maker.rawToken);

        expect(token.token.resources).toEqual(BOTH);
        expect(claimsOf(pair.accessToken).allowed_resources).toEqual([ONE]);
        expect(await limitOf(familyOf(pair))).toEqual([ONE]);
      });

      it('is not made for what the maker has lost', async () => {
        const maker = await create(BOTH);
        meanwhile = narrowing(maker.token.id, [ONE]);

        const { status, body } = await post(maker.rawToken, '/api/tokens', {
          name: 'x',
          scopes: ['*'],
          resources: [TWO],
        });

        expect([status, body.error]).toEqual([400, 'invalid_resources']);
      });

      it('gets the narrower list with client_credentials', async () => {
        const maker = await create(null);
        meanwhile = narrowing(maker.token.id, [ONE]);

        expect(claimsOf(await clientCredentials(maker)).allowed_resources).toEqual([ONE]);
      });

      it('gets the narrower list for the successor in a grace period', async () => {
        const old = await create(null);
        const { token } = await test.tokens.rotate(old.token.id, { graceSeconds: 600 });
        meanwhile = narrowing(token.id, [ONE]);

        expect((await make(old.rawToken)).token.resources).toEqual([ONE]);
      });

      it('leaves a refresh token unused, to be sent again', async () => {
        const maker = await create(BOTH);
        const pair = await signIn(maker.rawToken);
        meanwhile = narrowing(maker.token.id, [ONE]);

        const refused = await refusalOf(refresh(pair.refreshToken));

        expect(refused).toBe('refresh_aborted');
        expect(claimsOf((await refresh(pair.refreshToken)).accessToken).allowed_resources).toEqual([ONE]);
      });

      it('does not let a request manage tokens that the credential has lost', async () => {
        const maker = await create(BOTH, { scopes: ['api_tokens:write'] });
        const sibling = await create([TWO], { scopes: ['api_tokens:write'] });
        meanwhile = narrowing(maker.token.id, [ONE]);

        const answer = await fetch(`${test.url}/api/tokens/${sibling.token.id}`, {
          method: 'PATCH',
          headers: { authorization: `Bearer ${maker.rawToken}`, 'content-type': 'application/json' },
          body: JSON.stringify({ metadata: { stolen: true } }),
        });

        expect([answer.status, await answer.json()]).toEqual([
          403,
          expect.objectContaining({ error: 'resource_not_allowed' }),
        ]);
      });
    });

    it('repeats the answer to a request with an idempotency key within the limit only', async () => {
      const maker = await create(BOTH);
      const ask = (resources?: readonly string[]) =>
        post(
          maker.rawToken,
          '/api/tokens',
          { name: 'x', scopes: ['*'], resources },
          { 'idempotency-key': 'a-key-of-16-signs' },
        );
      const first = await ask();
      const again = await ask();
      const other = await ask([ONE]);

      await test.tokens.update(maker.token.id, { resources: [ONE] });
      const narrowed = await ask();

      expect(again.body).toEqual(first.body);
      expect([other.status, other.body.error]).toEqual([422, 'idempotency_key_reused']);
      expect(narrowed.body.token.resources).toEqual([ONE]);
      await test.dataSource.query('UPDATE sigra_api_tokens SET resources = $1 WHERE id = $2', [
        BOTH,
        first.body.token.id,
      ]);
      expect((await ask()).body.error).toBe('invalid_resources');
    });

    it('refuses a claim that is not a list of resources', async () => {
      const pair = await signIn((await create([ONE])).rawToken);

      await test.dataSource.query('UPDATE sigra_refresh_families SET resources = $1', [['no resource']]);
      const { accessToken } = await refresh(pair.refreshToken);

      expect(await refusalOf(test.jwt.verifyAccess(accessToken))).toBe('invalid_token');
    });
  },
);
