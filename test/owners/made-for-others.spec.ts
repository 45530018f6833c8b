import { mock } from 'node:test';
import { Body, Controller, Param, Post } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ApiTokenAdminService,
  ApiTokenService,
  type Caller,
  type CreateApiToken,
  CredentialService,
  CurrentCaller,
  type IssuedApiToken,
  RequireScopes,
  SigraJwtService,
  type TokenPair,
} from 'nestjs-sigra';
import { CredentialSweeper } from '../../libs/sigra/src/owners/credential.sweeper.js';
import { auditRows } from '../support/audit-rows.js';
import { eventually } from '../support/eventually.js';
import { closeJwtApps, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refusalOf } from '../support/refusal.js';
import type { User } from '../support/test-app.js';

const SCOPES = ['read:notes', 'api_tokens:write'];
const REQUEST = { name: 'CI', scopes: SCOPES };

/** Makes credentials of any user, as an application does for organizations or for its support. */
@Controller('for')
@RequireScopes('api_tokens:write')
class ForOthersController {
  constructor(
    private readonly tokens: ApiTokenService,
    private readonly jwt: SigraJwtService,
  ) {}

  @Post(':owner/tokens')
  create(@Param('owner') owner: string, @Body() request: CreateApiToken, @CurrentCaller() caller: Caller) {
    return this.tokens.create(owner, request, caller);
  }

  @Post(':owner/families')
  start(@Param('owner') owner: string, @CurrentCaller() caller: Caller) {
    return this.jwt.generateTokens(owner, ['read:notes'], caller);
  }

  @Post('rotations/:id')
  rotate(@Param('id') id: string, @CurrentCaller() caller: Caller) {
    return this.tokens.rotate(id, {}, caller);
  }
}

describe('What the credentials of an owner made for other owners', () => {
  let test: JwtApp;
  let grace: User;
  let maker: IssuedApiToken;

  beforeEach(async () => {
    test = await startJwtApp({}, { controllers: [ForOthersController] });
    grace = await test.addUser('grace@example.com');
    maker = await test.tokens.create(test.user, REQUEST);
    // No sweep runs, as after an error or behind the rows of a user with thousands of tokens.
    mock.method(test.get(CredentialSweeper), 'begin', () => Promise.resolve());
  });
  afterEach(closeJwtApps);

  const post = async <T>(credential: string, path: string, body: object = {}): Promise<T> => {
    const headers: Record<string, string> =
      credential === 'in person'
        ? { 'x-session-user': test.user.id, 'sec-fetch-site': 'same-origin' }
        : { authorization: `Bearer ${credential}` };
    const answer = await fetch(`${test.url}/for/${path}`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(201);
    return (await answer.json()) as T;
  };
  const tokenFor = (owner: User, credential: string) => post<IssuedApiToken>(credential, `${owner.id}/tokens`, REQUEST);
  const stateOf = ({ rawToken }: { rawToken: string }) =>
    test.tokens.verify(rawToken).then(
      () => 'valid',
      () => refusalOf(test.tokens.verify(rawToken)),
    );

  it('ends in the transaction of revokeAll(), to any depth, with an audit row', async () => {
    const made = await tokenFor(grace, maker.rawToken);
    const grandchild = await tokenFor(grace, made.rawToken);
    const rotated = await test.tokens.rotate(made.token.id);
    const inPerson = await tokenFor(grace, 'in person');

    await test.tokens.revokeAll(test.user);

    expect(await Promise.all([maker, grandchild, rotated, inPerson].map(stateOf))).toEqual([
      'token_revoked',
      'token_revoked',
      'token_revoked',
      'valid',
    ]);
    expect(await auditRows(test.dataSource, rotated.token.id)).toMatchObject([
      { action: 'api.token_revoke', metadata: { reason: 'made_by_revoked', userId: grace.id } },
    ]);
  });

  it('ends in it also when a token rotated it, which then is its maker', async () => {
    const { token } = await test.tokens.create(grace, REQUEST);

    const rotated = await post<IssuedApiToken>(maker.rawToken, `rotations/${token.id}`);
    const again = await test.tokens.rotate(rotated.token.id);
    await test.tokens.revokeAll(test.user);

    expect(rotated.token).toMatchObject({ creatorType: 'user', creatorId: test.user.id });
    expect(again.token).toMatchObject({ creatorType: 'user', creatorId: test.user.id });
    expect(await stateOf(again)).toBe('token_revoked');
  });

  it('ends in it also when it is a family', async () => {
    const pair = await post<TokenPair>(maker.rawToken, `${grace.id}/families`);

    await test.tokens.revokeAll(test.user);

    expect(await refusalOf(test.jwt.refresh(pair.refreshToken))).toBe('token_revoked');
  });

  it('ends with lockOut() and forget(), but not with a sign-out, when a JWT made it', async () => {
    for (const [end, state] of [
      [() => test.jwt.signOutEverywhere(test.user), 'valid'],
      [() => test.tokens.revokeAll(test.user), 'valid'],
      [() => test.get(CredentialService).lockOut(test.user), 'token_revoked'],
      [() => test.get(CredentialService).forget(test.user), 'token_revoked'],
    ] as const) {
      const { accessToken } = await test.jwt.generateTokens(test.user, SCOPES);
      const made = await tokenFor(grace, accessToken);

      await end();

      expect(await stateOf(made)).toBe(state);
    }
  });

  it('ends in it behind a thousand that have expired', async () => {
    await test.dataSource.query(
      `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, prefix, hint, token_hash, scopes,
         made_by_token_id, creator_type, creator_id, expires_at, created_at)
       SELECT gen_random_uuid(), 'user', $1, 0, 'CI', 'sigra_sk_', 'abcd', sha256(n::text::bytea), '{*}', $2, 'user', $3,
         timestamptz '2001-01-02Z', timestamptz '2001-01-01Z' FROM generate_series(1, 1500) AS n`,
      [grace.id, maker.token.id, test.user.id],
    );
    const made = await tokenFor(grace, maker.rawToken);

    await test.tokens.revokeAll(test.user);

    expect(await stateOf(made)).toBe('token_revoked');
  });

  it('keeps its owner in the audit trail when the maker is anonymized', async () => {
    const made = await tokenFor(grace, 'in person');

    await test.get(CredentialService).forget(test.user, { anonymizeAudit: true });
    await test.get(CredentialSweeper).drain();
    await eventually(async () => (await test.dataSource.query<object[]>('SELECT FROM sigra_sweeps')).length === 0);

    expect(await auditRows(test.dataSource, made.token.id)).toMatchObject([
      { actor_id: null, actor_type: 'anonymous', metadata: { userId: grace.id } },
    ]);
    expect(await auditRows(test.dataSource, maker.token.id)).toMatchObject([{ metadata: { userId: test.user.id } }]);
  });

  it('is found by administrators', async () => {
    const admin = test.get(ApiTokenAdminService);
    const inPerson = await tokenFor(grace, 'in person');
    const made = await tokenFor(grace, maker.rawToken);
    await test.tokens.revoke(made.token.id);
    await test.tokens.create(grace, REQUEST);
    const idsOf = async (filter: object) =>
      (await admin.search({ ...filter, order: 'oldest' })).tokens.map(({ token }) => token.id);

    expect(await idsOf({ creatorId: test.user.id })).toEqual([inPerson.token.id, made.token.id]);
    expect(await idsOf({ creatorType: 'user' })).toEqual([inPerson.token.id, made.token.id]);
    expect(await idsOf({ creatorId: grace.id })).toEqual([]);
    expect(await refusalOf(admin.search({ creatorType: 'unknown' }))).toBe('invalid_filter');
    expect(await refusalOf(admin.previewMatching({ creatorType: 'user' }))).toBe('invalid_filter');
    const { digest } = await admin.previewMatching({ creatorId: test.user.id });
    expect(await admin.revokeMatching({ creatorId: test.user.id }, digest)).toMatchObject({ revoked: 1, remaining: 0 });
    expect(await stateOf(inPerson)).toBe('token_revoked');
  });
});
