import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { CommandLine, DATA_SOURCE } from '../support/command-line.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

const RAW = /^sigra_sk_\w{49}\n$/;
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const TIME = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;

interface TokenJson {
  readonly id: string;
  readonly state: string;
  readonly [property: string]: unknown;
}

// Each command is a process that starts an application.
jest.setTimeout(120_000);

describe('npx sigra token', () => {
  let test: TestApp;
  let cli: CommandLine;

  beforeAll(async () => {
    const knox = { pattern: /^[0-9a-f]{64}$/, digest: 'sha512' } as const;
    test = await startTestApp({
      sigra: { apiTokens: { scopes: ['read:notes', 'write:notes'], foreignFormats: { knox } } },
    });
    cli = new CommandLine(test.databaseUrl);
  });
  afterAll(() => test.close());

  const host = (...args: string[]) => cli.run([...args, '-d', DATA_SOURCE]);
  const creating = (...more: string[]) => [
    'token',
    'create',
    '--owner',
    test.user.id,
    '--name',
    'CI',
    '--scope',
    'read:notes',
    '--expires-in',
    '90d',
    ...more,
  ];
  const create = async (...more: string[]) => {
    const { rawToken, token } = await cli.json<{ rawToken: string; token: TokenJson }>(creating(...more));
    return { rawToken, ...token };
  };
  const rowsOf = (id: string) =>
    test.dataSource.query<Record<string, unknown>[]>(
      `SELECT action, actor_type, actor_id FROM sigra_audit_events WHERE target_id = $1 ORDER BY occurred_at, id`,
      [id],
    );

  it('creates a token that works, alone on the standard output', async () => {
    const { code, stdout, stderr } = await host(...creating());

    expect(code).toBe(0);
    expect(stdout).toMatch(RAW);
    expect(stderr).not.toContain(stdout.trim());
    expect(stderr.replaceAll(UUID, 'UUID').replaceAll(TIME, 'TIME')).toBe(
      'id       UUID\nowner    UUID\nname     CI\nscopes   read:notes\nexpires  TIME\n',
    );
    expect(await test.tokens.verify(stdout.trim())).toMatchObject({ name: 'CI', ownerId: test.user.id });
  });

  it('writes the audit rows of the service, with the account of the operating system as their actor', async () => {
    const { id } = await create();
    await cli.json(['token', 'revoke', id]);

    const actor = { actor_type: 'cli', actor_id: expect.stringMatching(/./) };
    expect(await rowsOf(id)).toEqual([
      { action: 'api.token_create', ...actor },
      { action: 'api.token_revoke', ...actor },
    ]);
  });

  it('administers the tokens of other owners with --owner-type', async () => {
    const robot = ['--owner-type', 'robot'];
    const request = ['--owner', 'r1', '--name', 'CI', '--scope', 'read:notes', '--expires-in', '90d'];
    const { token } = await cli.json<{ token: TokenJson }>(['token', 'create', ...request, ...robot]);
    const listed = await cli.json<{ tokens: TokenJson[] }>(['token', 'list', ...robot]);
    const ofUsers = await cli.json<{ tokens: TokenJson[] }>(['token', 'list', '--owner', 'r1']);

    expect(token).toMatchObject({ ownerType: 'robot', ownerId: 'r1' });
    expect(listed.tokens).toMatchObject([{ id: token.id }]);
    expect(ofUsers.tokens).toEqual([]);
    expect(await cli.json(['token', 'revoke', token.id])).toMatchObject({ id: token.id, state: 'revoked' });
    expect(await host('token', 'list', '--owner-type', 'unknown')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--owner-type is one of user, robot.'),
    });
  });

  it('lists imported tokens by the prefix of their format and by their hint', async () => {
    const owner = await test.addUser('imported@example.com');
    const row = { format: 'knox', owner, name: 'Old', scopes: ['read:notes'], hint: '0123456789abcde' };
    await test.tokens.importHashed([{ ...row, hash: new Uint8Array(64).fill(7) }]);
    const list = async (...filter: string[]) =>
      (await cli.json<{ tokens: TokenJson[] }>(['token', 'list', '--owner', owner.id, ...filter])).tokens.length;

    expect(await list('--prefix', 'knox:')).toBe(1);
    expect(await list('--prefix', 'sigra_sk_')).toBe(0);
    expect(await list('--hint', row.hint)).toBe(1);
  });

  it('applies the rules of the application', async () => {
    const withoutExpiry = creating().filter((each) => each !== '--expires-in' && each !== '90d');

    expect(await host(...withoutExpiry)).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('(ttl_exceeded)'),
    });
    expect(await host(...creating('--scope', 'admin'))).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('(unregistered_scopes)'),
    });
  });

  it('lists tokens as a table, without control characters of their names', async () => {
    const owner = (await test.addUser('table@example.com')).id;
    await test.tokens.create(owner, {
      name: 'one',
      scopes: ['read:notes', 'write:notes'],
      expiresAt: new Date('2035-01-01'),
    });
    await test.dataSource.query(`UPDATE sigra_api_tokens SET name = $1, created_at = $2 WHERE owner_id = $3`, [
      'red \u001b[31m',
      new Date('2026-01-01'),
      owner,
    ]);

    const { code, stdout, stderr } = await host('token', 'list', '--owner', owner);

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const id = 'x'.repeat(36);
    expect(stdout.replaceAll(UUID, id).replace(/sigra_sk_\w+…/, 'sigra_sk_abcd…')).toBe(
      [
        `${'ID'.padEnd(36)}  ${'OWNER'.padEnd(36)}  NAME        TOKEN           SCOPES                  STATE   EXPIRES                   LAST USED`,
        `${id}  ${id}  red ?[31m   sigra_sk_abcd…  read:notes write:notes  active  2035-01-01T00:00:00.000Z  -`,
        '',
      ]
        .join('\n')
        .replaceAll('NAME        ', 'NAME       ')
        .replaceAll('red ?[31m   ', 'red ?[31m  '),
    );
  });

  it('lists page by page, and by state', async () => {
    const owner = (await test.addUser('pages@example.com')).id;
    for (const name of ['a', 'b', 'c']) {
      await test.tokens.create(owner, { name, scopes: ['read:notes'], expiresAt: new Date('2035-01-01') });
    }
    interface Page {
      readonly tokens: readonly TokenJson[];
      readonly nextCursor: string | null;
    }
    const first = await cli.json<Page>(['token', 'list', '--owner', owner, '--limit', '2']);
    const second = await cli.json<Page>([
      'token',
      'list',
      '--owner',
      owner,
      '--limit',
      '2',
      '--cursor',
      first.nextCursor!,
    ]);
    await cli.json(['token', 'revoke', first.tokens[0]!.id]);
    const revoked = await cli.json<Page>(['token', 'list', '--owner', owner, '--state', 'revoked']);

    expect([...first.tokens, ...second.tokens].map(({ name }) => name)).toEqual(['c', 'b', 'a']);
    expect(second.nextCursor).toBeNull();
    expect(revoked.tokens.map(({ id, state }) => [id, state])).toEqual([[first.tokens[0]!.id, 'revoked']]);
  });

  it('shows, rotates and revokes a token, in force for the next request', async () => {
    const { id, rawToken } = await create();
    const shown = await cli.json<TokenJson>(['token', 'show', id]);
    const rotated = await host('token', 'rotate', id);
    const next = rotated.stdout.trim();
    await expect(test.tokens.verify(rawToken)).rejects.toMatchObject({ code: 'token_revoked' });
    const { id: nextId } = await test.tokens.verify(next);

    expect(await host('token', 'revoke', nextId)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`Revoked ${nextId}, and all that it made.\n`),
    });

    expect(shown).toMatchObject({ id, name: 'CI', state: 'active' });
    expect(JSON.stringify(shown)).not.toContain(rawToken);
    await expect(test.tokens.verify(next)).rejects.toMatchObject({ code: 'token_revoked' });
  });

  it('revokes the rotations of a leaked token as well', async () => {
    const { id, rawToken } = await create();
    const thief = await test.tokens.rotate(id, { graceSeconds: 3600 });

    await cli.json(['token', 'revoke', id, '--leaked']);

    for (const raw of [rawToken, thief.rawToken]) {
      await expect(test.tokens.verify(raw)).rejects.toMatchObject({ code: 'token_revoked' });
    }
  });

  it('exits with 1 for a token that does not exist', async () => {
    expect(await host('token', 'show', randomUUID())).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/\(not_found\)\n$/),
    });
  });

  it('finds the tokens of all owners with DATABASE_URL alone, and says which types there are', async () => {
    const request = ['--owner', 'r2', '--name', 'CI', '--scope', 'read:notes', '--expires-in', '90d'];
    const { token } = await cli.json<{ token: TokenJson }>(['token', 'create', ...request, '--owner-type', 'robot']);

    const shown = await cli.run(['token', 'show', token.id, '--json']);
    const revoked = await cli.run(['token', 'revoke', token.id, '--leaked']);
    const missed = await cli.run(['owner', 'lock-out', 'r2']);
    const unknown = await cli.run(['token', 'list', '--owner-type', 'unknown']);
    const locked = await cli.run(['owner', 'lock-out', 'r2', '--owner-type', 'robot']);

    expect(JSON.parse(shown.stdout)).toMatchObject({ id: token.id, ownerType: 'robot' });
    expect(revoked.stdout).toBe(
      `Revoked ${token.id}, the tokens that it was rotated from or to, and all that they made.\n` +
        'Other credentials of robot r2 are still valid: sigra owner lock-out r2 --owner-type robot\n',
    );
    expect(missed).toMatchObject({ code: 1, stderr: expect.stringContaining('For other owners: --owner-type robot') });
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('--owner-type is one of user, robot.') });
    expect(locked).toMatchObject({ code: 0, stdout: 'Locked out: robot r2\n' });
  });

  it('revokes with DATABASE_URL alone, and refuses to make a token without the options of the application', async () => {
    const { id } = await create();

    expect(await cli.run(['token', 'revoke', id])).toMatchObject({ code: 0, stderr: '' });
    for (const args of [creating(), ['token', 'rotate', id]]) {
      expect(await cli.run(args)).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringContaining('Export the options of SigraModule as `sigra` from a data-source file'),
      });
    }
  });

  it.each([
    ['without a database', ['token', 'list'], { DATABASE_URL: '' }, 'Name a data-source file with -d'],
    ['with a file that does not exist', ['token', 'list', '-d', 'none.js'], {}, 'none.js cannot be loaded'],
    ['with a file that exports no DataSource', ['token', 'list', '-d', 'eslint.config.js'], {}, 'it exports none'],
    ['with a wrong state', ['token', 'list', '--state', 'gone'], {}, '--state is one of active, revoked, expired.'],
    ['without an id', ['token', 'show'], {}, 'TOKEN_ID is missing.'],
    ['with a token as an argument', ['token', 'lookup', 'sigra_sk_secret'], {}, 'Too many arguments.'],
    [
      'with two expiries',
      ['token', 'create', '-d', DATA_SOURCE, '--expires-in', '1d', '--expires-at', '2035-01-01'],
      {},
      'Give either',
    ],
    [
      'with an invalid duration',
      ['token', 'rotate', 'x', '-d', DATA_SOURCE, '--grace', '1w'],
      {},
      '--grace is a duration',
    ],
  ])('exits with 2 %s', async (_what, args, env, complaint) => {
    const { code, stdout, stderr } = await new CommandLine(test.databaseUrl, env).run(args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(complaint);
    expect(stderr).not.toContain('secret');
  });

  it('exits with 1 when the database does not answer, and prints an error as JSON without the password', async () => {
    const { code, stdout, stderr } = await new CommandLine('postgres://ada:s3cret@127.0.0.1:1/x').run([
      'token',
      'list',
      '--json',
    ]);

    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(JSON.parse(stderr)).toEqual({ error: { code: 'ECONNREFUSED', message: expect.any(String) } });
    expect(stderr).not.toContain('s3cret');
  });

  it('has no raw token in its arguments while it looks one up', async () => {
    const { rawToken } = await create();
    const child = cli.start(['token', 'lookup']);
    const argv = await readFile(`/proc/${child.pid}/cmdline`, 'utf8').catch(() => '');
    child.stdin.end(rawToken);
    await new Promise((resolve) => child.once('close', resolve));

    expect(argv).not.toContain(rawToken);
  });
});
