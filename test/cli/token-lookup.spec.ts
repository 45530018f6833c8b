import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { DATA_SOURCE } from '../support/command-line.js';
import { FORMATS, knoxToken } from '../support/foreign-tokens.js';
import { compiledProgram } from '../support/compiled-program.js';
import { type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { unknownToken } from '../support/unknown-token.js';

const source = fileURLToPath(new URL('../../libs/sigra/src/cli/sigra.ts', import.meta.url));

// Each command is a process that starts an application.
jest.setTimeout(120_000);

describe('npx sigra token lookup', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({}, { sigra: { apiTokens: { scopes: ['read:notes'], foreignFormats: FORMATS } } });
  });
  afterAll(() => test.close());

  const lookUp = async (input: string, { args = [] as string[], url = test.databaseUrl } = {}) => {
    const program = await compiledProgram(source);
    const env = { ...process.env, DATABASE_URL: url };
    const child = spawn(process.execPath, [program, 'token', 'lookup', ...args], { env });
    child.stdin.on('error', () => undefined).end(input);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code: code as number, stdout, stderr };
  };
  const found = async (input: string) => {
    const { code, stdout, stderr } = await lookUp(input, { args: ['--json'] });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout) as Record<string, object>;
  };
  const create = () => test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });

  it('prints whose an API token is, without the token and without counting as a use', async () => {
    const { rawToken, token } = await create();

    const { code, stdout } = await lookUp(`  ${rawToken}\n`, { args: ['--json'] });

    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      kind: 'api_token',
      state: 'active',
      token: { id: token.id, ownerId: test.user.id, name: 'CI', scopes: ['read:notes'], lastUsedAt: null },
    });
    expect(stdout).not.toContain(rawToken);
    expect((await test.tokens.lookup(rawToken))?.token).toEqual(token);
  });

  it('prints what has become of API tokens', async () => {
    const [revoked, expired, past] = [await create(), await create(), await create()];
    await test.tokens.revoke(revoked.token.id);
    await test.dataSource.query(`UPDATE sigra_api_tokens SET expires_at = now() - interval '1 s' WHERE id = $1`, [
      expired.token.id,
    ]);
    expect(await found(expired.rawToken)).toMatchObject({ state: 'expired' });
    await test.tokens.revokeAll(test.user);
    await test.dataSource.query(`UPDATE sigra_api_tokens SET revoked_at = NULL WHERE id = $1`, [past.token.id]);

    expect(await found(revoked.rawToken)).toMatchObject({ state: 'revoked', token: { revokeReason: 'revoked' } });
    expect(await found(past.rawToken)).toMatchObject({ state: 'revoked', token: { revokedAt: null } });
  });

  it('finds a token of another system with the options of the application', async () => {
    const { raw, hash } = knoxToken();
    await test.tokens.importHashed([{ format: 'knox', hash, owner: test.user, name: 'CI', scopes: ['read:notes'] }]);

    const { code, stdout } = await lookUp(raw, { args: ['--json', '-d', DATA_SOURCE] });

    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'api_token', state: 'active', token: { ownerId: test.user.id } });
  });

  it('prints the family of a refresh token', async () => {
    const first = await test.jwt.generateTokens(test.user, ['read:notes']);
    const second = await test.jwt.refresh(first.refreshToken);

    const family = { ownerId: test.user.id, ownerType: 'user' };
    expect(await found(first.refreshToken)).toMatchObject({ kind: 'refresh_token', state: 'consumed', family });
    expect(await found(second.refreshToken)).toMatchObject({ kind: 'refresh_token', state: 'active', family });
    await test.jwt.signOutEverywhere(test.user);
    expect(await found(second.refreshToken)).toMatchObject({ state: 'revoked' });
  });

  it('finds a token that was copied with its scheme', async () => {
    const { rawToken, token } = await create();

    expect(await found(`Bearer ${rawToken}`)).toMatchObject({ token: { id: token.id } });
  });

  it.each<[string, () => string, string]>([
    ['an unknown token', unknownToken, 'This is not a token of this database, or clean-up has deleted it.'],
    ['a token that was cut off', () => unknownToken().slice(0, -1), 'This is not a whole token'],
    ['a token with a character too many', () => `${unknownToken()}x`, 'This is not a whole token'],
    ['any other string', () => 'anything', 'This is not a whole token'],
    ['a JWT', () => 'eyJhbGciOiJFUzI1NiJ9.e30.AAAA', 'This is a JWT, which the database does not have.'],
  ])('exits with 1 for %s, says what it is, and does not repeat it', async (_what, input, answer) => {
    const { code, stdout, stderr } = await lookUp(input());

    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(answer);
    expect(stderr).not.toMatch(/sigra_sk_|anything|eyJ/);
  });

  it.each([
    ['a token in the arguments', { args: ['sigra_sk_x'] }, 'x', 2, 'Too many arguments.'],
    ['no input', {}, ' \n', 2, 'The standard input has no token.'],
    ['a long input', {}, 'x'.repeat(8193), 2, 'The standard input has more than 8192 characters.'],
    ['no database', { url: '' }, 'x', 2, 'set the environment variable DATABASE_URL'],
    ['a database that does not answer', { url: 'postgres://ada:s3cret@127.0.0.1:1/x' }, 'x', 1, 'connect ECONNREFUSED'],
    ['another schema', { args: ['--schema', 'other'] }, 'x', 1, 'has no table "other"."sigra_api_tokens"'],
  ])('reports %s', async (_what, options, input, exitCode, complaint) => {
    const { code, stdout, stderr } = await lookUp(input, options);

    expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
    expect(stderr).toContain(complaint);
    expect(stderr).not.toMatch(/s3cret|sigra_sk_/);
  });
});
