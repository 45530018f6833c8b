import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Body, Controller, Post } from '@nestjs/common';
import {
  type Caller,
  CurrentCaller,
  type CreateApiToken,
  type IssuedApiToken,
  SigraJwtService,
  type TokenPair,
} from 'nestjs-sigra';
import { closeJwtApps, claimsOf } from '../support/jwt-app.js';
import { OAUTH_CONTROLLERS, type OAuthApp, startOAuthApp, tokensIn } from '../support/oauth-app.js';
import { refusalOf } from '../support/refusal.js';
import { sendFrom } from '../support/send-from.js';

const HOME = '127.0.0.1';
const OFFICE = '127.0.0.2';
const ELSEWHERE = '127.0.0.3';
const BOTH = [HOME, OFFICE];

@Controller('sign-in')
class SignInController {
  constructor(private readonly jwt: SigraJwtService) {}

  @Post()
  signIn(@CurrentCaller() caller: Caller, @Body() { scopes }: { scopes: string[] }) {
    return this.jwt.generateTokens(caller.principal?.userId ?? '', scopes, caller);
  }
}

describe('What credentials make that are limited to addresses', () => {
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
      { claims: pause, check: 'family' },
      {
        controllers: [SignInController],
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

  const create = (allowedIps: readonly string[] | null, more: Partial<CreateApiToken> = {}) =>
    test.tokens.create(test.user, { name: 'CI', scopes: ['*'], allowedIps, ...more });
  const post = async (credential: string, path: string, body: object = {}, from = HOME) =>
    sendFrom(from, test.url, { method: 'POST', path, body, headers: { authorization: `Bearer ${credential}` } });
  const make = async (credential: string, more: object = {}, from = HOME): Promise<IssuedApiToken> => {
    const { status, body } = await post(credential, '/api/tokens', { name: 'made', scopes: ['*'], ...more }, from);
    expect([status, body.error]).toEqual([201, undefined]);
    return body as unknown as IssuedApiToken;
  };
  const signIn = async (credential: string, from = HOME): Promise<TokenPair> => {
    const { status, body } = await post(credential, '/sign-in', { scopes: ['*'] }, from);
    expect([status, body.error]).toEqual([201, undefined]);
    return body as unknown as TokenPair;
  };
  const statusOf = async (credential: string, from: string) =>
    (await sendFrom(from, test.url, { path: '/notes/me', headers: { authorization: `Bearer ${credential}` } })).status;
  const refresh = (refreshToken: string, ipAddress?: string) => test.jwt.refresh(refreshToken, {}, { ipAddress });
  const listOf = async (id: string) => {
    const sql = (table: string) => `SELECT allowed_ips FROM ${table} WHERE id = $1`;
    const rows = await test.dataSource.query<{ allowed_ips: string[] | null }[]>(
      `${sql('sigra_api_tokens')} UNION ALL ${sql('sigra_refresh_families')}`,
      [id],
    );
    return rows[0]?.allowed_ips;
  };
  const familyOf = ({ accessToken }: TokenPair) => String(claimsOf(accessToken).sid);

  describe('API tokens', () => {
    it.each([
      ['nothing', {}, BOTH],
      ['all addresses', { allowedIps: null }, BOTH],
      ['some of its addresses', { allowedIps: [OFFICE] }, [OFFICE]],
    ])('get at most the addresses of their maker, for a request of %s', async (_what, request, expected) => {
      const maker = await create(BOTH);

      const { rawToken, token } = await make(maker.rawToken, request);

      expect(token.allowedIps).toEqual(expected);
      expect(await statusOf(rawToken, OFFICE)).toBe(200);
      expect(await statusOf(rawToken, ELSEWHERE)).toBe(401);
    });

    it.each([[[ELSEWHERE]], [[HOME, ELSEWHERE]], [['127.0.0.0/8']], [['::/0']]])(
      'are not made for %j, which the maker is not accepted from',
      async (allowedIps) => {
        const maker = await create(BOTH);

        const { status, body } = await post(maker.rawToken, '/api/tokens', { name: 'x', scopes: ['*'], allowedIps });

        expect([status, body.error]).toEqual([400, 'invalid_allowed_ips']);
      },
    );

    it('are limited like another token that rotates them, and with what they had made', async () => {
      const sibling = await create(null);
      const [child, family] = [await make(sibling.rawToken), await signIn(sibling.rawToken)];
      const thief = await create([HOME]);

      const rotated = await post(thief.rawToken, `/api/tokens/${sibling.token.id}/rotate`);

      expect(rotated.status).toBe(201);
      expect(rotated.body.token.allowedIps).toEqual([HOME]);
      expect(await statusOf(rotated.body.rawToken, OFFICE)).toBe(401);
      expect(await listOf(child.token.id)).toEqual([HOME]);
      expect(await listOf(familyOf(family))).toEqual([HOME]);
    });

    it('keep their addresses when a person rotates them', async () => {
      const { token } = await create(BOTH);

      expect((await test.tokens.rotate(token.id)).token.allowedIps).toEqual(BOTH);
    });
  });

  describe('when the list of the maker becomes narrower', () => {
    it('are limited with it to any depth, and through rotations', async () => {
      const maker = await create(null);
      const child = await make(maker.rawToken, { allowedIps: ['127.0.0.0/30', '192.0.2.0/24'] });
      const grandchild = await make(child.rawToken);
      const successor = await test.tokens.rotate(grandchild.token.id);
      const family = await signIn(child.rawToken);
      const ofFamily = await make(family.accessToken);
      const other = await create(null);

      await test.tokens.update(maker.token.id, { allowedIps: [HOME, '192.0.2.0/25', '198.51.100.1'] });

      const kept = [HOME, '192.0.2.0/25'];
      for (const id of [child.token.id, successor.token.id, familyOf(family), ofFamily.token.id]) {
        expect(await listOf(id)).toEqual(kept);
      }
      expect(await listOf(other.token.id)).toBeNull();
      expect(await statusOf(successor.rawToken, HOME)).toBe(200);
      expect(await statusOf(successor.rawToken, OFFICE)).toBe(401);
    });

    it('are accepted from no address when they have none in common with it', async () => {
      const maker = await create(null);
      const child = await make(maker.rawToken, { allowedIps: [HOME] });

      await test.tokens.update(maker.token.id, { allowedIps: [OFFICE] });

      expect(await listOf(child.token.id)).toEqual([]);
      expect(await statusOf(child.rawToken, HOME)).toBe(401);
      expect(await statusOf(child.rawToken, OFFICE)).toBe(401);
    });

    it('stay as they are when the list becomes wider', async () => {
      const maker = await create([HOME]);
      const child = await make(maker.rawToken);

      await test.tokens.update(maker.token.id, { allowedIps: null });

      expect(await listOf(child.token.id)).toEqual([HOME]);
    });

    it('are limited together with earlier tokens of the rotations in their grace period', async () => {
      const old = await create(null);
      const { token } = await test.tokens.rotate(old.token.id, { graceSeconds: 600 });

      await test.tokens.update(token.id, { allowedIps: [OFFICE] });

      expect(await statusOf(old.rawToken, OFFICE)).toBe(200);
      expect(await statusOf(old.rawToken, HOME)).toBe(401);
    });
  });

  describe('JWTs', () => {
    it('of a sign-in with a limited token are accepted where it is, and refreshed there only', async () => {
      const pair = await signIn((await create(BOTH)).rawToken);

      expect(claimsOf(pair.accessToken).allowed_ips).toEqual(BOTH);
      expect(await statusOf(pair.accessToken, OFFICE)).toBe(200);
      expect(await statusOf(pair.accessToken, ELSEWHERE)).toBe(401);
      expect(await refusalOf(refresh(pair.refreshToken, ELSEWHERE))).toBe('invalid_token');
      expect(await refusalOf(refresh(pair.refreshToken))).toBe('invalid_token');
      const next = await refresh(pair.refreshToken, `::ffff:${OFFICE}`);
      expect(claimsOf(next.accessToken).allowed_ips).toEqual(BOTH);
      expect(await statusOf(next.accessToken, ELSEWHERE)).toBe(401);
    });

    it('have no such claim without a limit', async () => {
      const { accessToken } = await signIn((await create(null)).rawToken);

      expect(claimsOf(accessToken)).not.toHaveProperty('allowed_ips');
    });

    it('make API tokens that are limited like their family', async () => {
      const { accessToken } = await signIn((await create(BOTH)).rawToken);

      const { token } = await make(accessToken, {}, OFFICE);

      expect(token.allowedIps).toEqual(BOTH);
    });

    it('of a family whose list became narrower are refreshed with the narrower one', async () => {
      const maker = await create(BOTH);
      const pair = await signIn(maker.rawToken);

      await test.tokens.update(maker.token.id, { allowedIps: [OFFICE] });

      expect(await refusalOf(refresh(pair.refreshToken, HOME))).toBe('invalid_token');
      expect(claimsOf((await refresh(pair.refreshToken, OFFICE)).accessToken).allowed_ips).toEqual([OFFICE]);
    });

    it('are refused from elsewhere by verifyAccess, and without an address', async () => {
      const { accessToken } = await signIn((await create([HOME])).rawToken);

      expect(await test.jwt.verifyAccess(accessToken, {}, { ipAddress: HOME })).toMatchObject({ allowed_ips: [HOME] });
      expect(await refusalOf(test.jwt.verifyAccess(accessToken, {}, { ipAddress: OFFICE }))).toBe('invalid_token');
      expect(await refusalOf(test.jwt.verifyAccess(accessToken))).toBe('invalid_token');
    });

    it('still end their family when a used refresh token is presented from elsewhere', async () => {
      const pair = await signIn((await create([HOME])).rawToken);
      const next = await refresh(pair.refreshToken, HOME);

      expect(await refusalOf(refresh(pair.refreshToken, ELSEWHERE))).toBe('reuse_detected');
      expect(await refusalOf(refresh(next.refreshToken, HOME))).toBe('token_revoked');
    });
  });

  describe('in requests that are under way while the list becomes narrower', () => {
    const narrowing = (id: string, allowedIps: readonly string[]) => () => test.tokens.update(id, { allowedIps });

    it('are not made from an address that is not in it any more', async () => {
      for (const allowedIps of [null, BOTH]) {
        const maker = await create(allowedIps);
        const answers = [];
        for (const path of ['/api/tokens', '/sign-in']) {
          await test.tokens.update(maker.token.id, { allowedIps });
          meanwhile = narrowing(maker.token.id, [OFFICE]);
          answers.push(await post(maker.rawToken, path, { name: 'x', scopes: ['*'] }));
        }

        expect(answers.map(({ status, body }) => [status, body.error])).toEqual([
          [401, 'invalid_token'],
          [401, 'invalid_token'],
        ]);
      }
    });

    it('get the narrower list', async () => {
      const maker = await create(null);
      meanwhile = narrowing(maker.token.id, BOTH);
      const token = await make(maker.rawToken);
      meanwhile = narrowing(maker.token.id, [HOME]);
      const pair = await signIn(maker.rawToken);

      expect(token.token.allowedIps).toEqual(BOTH);
      expect(claimsOf(pair.accessToken).allowed_ips).toEqual([HOME]);
      expect(await listOf(familyOf(pair))).toEqual([HOME]);
    });

    it('get the narrower list with client_credentials', async () => {
      const { rawToken, token } = await create(null);
      meanwhile = narrowing(token.id, [HOME]);

      const answer = await test.post('token', {
        grant_type: 'client_credentials',
        client_id: token.id,
        client_secret: rawToken,
      });

      expect(claimsOf(tokensIn(answer).access_token).allowed_ips).toEqual([HOME]);
    });

    it('leave a refresh token unused, to be sent again', async () => {
      const maker = await create(BOTH);
      const [here, there] = [await signIn(maker.rawToken), await signIn(maker.rawToken)];

      meanwhile = narrowing(maker.token.id, [HOME]);
      const fromOffice = await refusalOf(refresh(there.refreshToken, OFFICE));
      await test.dataSource.query('UPDATE sigra_refresh_families SET allowed_ips = $1', [BOTH]);
      meanwhile = narrowing(maker.token.id, [HOME, '192.0.2.1']);
      const fromHome = await refusalOf(refresh(here.refreshToken, HOME));

      expect([fromOffice, fromHome]).toEqual(['invalid_token', 'refresh_aborted']);
      expect(claimsOf((await refresh(here.refreshToken, HOME)).accessToken).allowed_ips).toEqual([HOME]);
    });
  });
});
