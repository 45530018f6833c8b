import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { CommandLine, DATA_SOURCE } from '../support/command-line.js';
import { createDatabase } from '../support/database.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

interface Line {
  readonly id: string;
  readonly cursor: string;
  readonly action: string;
}

// Each command is a process that starts an application.
jest.setTimeout(120_000);

describe('npx sigra', () => {
  let test: TestApp;
  let cli: CommandLine;

  beforeAll(async () => {
    test = await startTestApp();
    cli = new CommandLine(test.databaseUrl);
  });
  afterAll(() => test.close());

  const addUser = async (email: string) => {
    const user = await test.addUser(email);
    const { rawToken } = await test.tokens.create(user, { name: 'CI', scopes: ['read:notes'] });
    return { user, rawToken };
  };
  const addExpired = (count: number) =>
    test.dataSource.query(
      `INSERT INTO sigra_api_tokens (id, owner_type, owner_id, token_epoch, name, metadata, prefix, hint, token_hash, scopes, descends_from, expires_at, created_at)
       SELECT gen_random_uuid(), 'user', $1, 0, 'old', '{}', 'sigra_sk_', 'aaaa', sha256(n::text::bytea), '{}', '{}', now() - interval '2 days', now() - interval '3 days'
       FROM generate_series(1, $2) AS n`,
      [test.user.id, count],
    );
  const insertNote = (action: string, at: Date) =>
    test.dataSource.query(
      `INSERT INTO sigra_audit_events (id, action, outcome, actor_type, target_type, metadata, occurred_at)
       VALUES (gen_random_uuid(), $1, 'success', 'system', 'note', '{}', $2)`,
      [action, at],
    );
  const linesOf = (text: string) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);

  it('locks an owner out, in force for the next request, and forgets only with --yes', async () => {
    const { user, rawToken } = await addUser('locked@example.com');

    const locked = await cli.run(['owner', 'lock-out', user.id, '-d', DATA_SOURCE]);
    await expect(test.tokens.verify(rawToken)).rejects.toMatchObject({ code: 'token_revoked' });
    const refused = await cli.run(['owner', 'forget', user.id]);
    const forgotten = await cli.json(['owner', 'forget', user.id, '--yes']);

    expect(locked).toEqual({ code: 0, stdout: `Locked out: user ${user.id}\n`, stderr: '' });
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('Add --yes') });
    expect(forgotten).toEqual({ owner: { type: 'user', id: user.id } });
    const rows = await test.dataSource.query<object[]>(
      `SELECT action, actor_type FROM sigra_audit_events WHERE target_id = $1 AND actor_type = 'cli' ORDER BY occurred_at, id`,
      [user.id],
    );
    expect(rows).toEqual([
      { action: 'api.lock_out', actor_type: 'cli' },
      { action: 'api.forget', actor_type: 'cli' },
    ]);
  });

  it('cleans up with the options of the application, and without a bar outside of a terminal', async () => {
    await addExpired(5);

    const withoutOptions = await cli.run(['cleanup']);
    const { code, stdout, stderr } = await cli.run(['cleanup', '-d', DATA_SOURCE, '--batch-size', '2']);

    expect(withoutOptions).toMatchObject({ code: 2, stdout: '' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^expiredTokens +5$/m);
    expect(stdout).toMatch(/^complete +true$/m);
  });

  it('ends clean-up after the current batch on Ctrl-C, and returns the lease', async () => {
    await addExpired(5000);
    const child = cli.start(['cleanup', '-d', DATA_SOURCE, '--batch-size', '1']);
    const remaining = async () => {
      const [row] = await test.dataSource.query<{ count: string }[]>(
        `SELECT count(*) FROM sigra_api_tokens WHERE name = 'old'`,
      );
      return Number(row!.count);
    };
    while ((await remaining()) === 5000) await new Promise((resolve) => setTimeout(resolve, 50));

    // Twice, as npm does: it passes on what the terminal sends as well.
    child.kill('SIGINT');
    child.kill('SIGINT');
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close') as Promise<[number]>]);

    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect(await remaining()).toBeGreaterThan(0);
    expect(await test.dataSource.query(`SELECT * FROM sigra_leases WHERE expires_at > now()`)).toEqual([]);
  });

  it('exports audit events as NDJSON, and continues after the cursor of a line', async () => {
    await addUser('audited@example.com');
    await addUser('too@example.com');
    await test.dataSource.query(`UPDATE sigra_audit_events SET occurred_at = occurred_at - interval '5 minutes'`);
    await insertNote('unsettled', new Date());
    const all = linesOf((await cli.run(['audit', 'export'])).stdout);
    const next = await cli.run(['audit', 'export', '--cursor', all[0]!.cursor]);
    const toPresent = await cli.run(['audit', 'export', '--to', new Date().toISOString()]);
    await test.dataSource.query(`DELETE FROM sigra_audit_events WHERE action = 'unsettled'`);

    expect(all.length).toBeGreaterThan(1);
    expect(linesOf(next.stdout)).toEqual(all.slice(1));
    // The latest one is left: an earlier one that commits now would be before its cursor.
    expect(all.map(({ action }) => action)).not.toContain('unsettled');
    expect(linesOf(toPresent.stdout)).toEqual(all);
    expect(next.stderr).toMatch(/^Events since \S+Z are left for the next export\.\n$/);
  });

  it('ends without an error when the reader of an export has ended', async () => {
    await test.dataSource.query(
      `INSERT INTO sigra_audit_events (id, action, outcome, actor_type, metadata, occurred_at)
       SELECT gen_random_uuid(), 'load', 'success', 'system', '{}', now() - interval '5 minutes' FROM generate_series(1, 20000)`,
    );
    const child = cli.start(['audit', 'export']);
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    await once(child.stdout, 'data');
    child.stdout.destroy();

    const [code] = (await once(child, 'close')) as [number];

    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    await test.dataSource.query(`DELETE FROM sigra_audit_events WHERE action = 'load'`);
  });

  it('tails the audit trail, also events that become visible after later ones, until Ctrl-C', async () => {
    const child = cli.start(['audit', 'tail', '--json', '--target-type', 'note']);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async () => (JSON.parse((await lines.next()).value as string) as Line).action;
    await insertNote('first', new Date());
    const first = await next();
    // When it reads: on a busy machine it takes long to start.
    const now = Date.now();
    // As long before as a transaction can take.
    await insertNote('much earlier', new Date(now - 30_000));
    const muchEarlier = await next();
    await insertNote('later', new Date(now + 2000));
    const later = await next();
    await insertNote('earlier', new Date(now + 1000));
    const earlier = await next();

    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number];

    expect([first, muchEarlier, later, earlier]).toEqual(['first', 'much earlier', 'later', 'earlier']);
    expect(code).toBe(130);
  });

  it('shows pending migrations with exit code 3, and runs them once for two processes', async () => {
    const database = await createDatabase();
    try {
      const empty = new CommandLine(database.url);
      const pending = await empty.run(['migration', 'status']);
      const runs = await Promise.all([empty.run(['migration', 'run']), empty.run(['migration', 'run'])]);
      const executed = await empty.run(['migration', 'status', '--json']);

      expect(pending.code).toBe(3);
      expect(pending.stdout).toMatch(/^STATE {4}NAME\npending {2}CreateApiTokens\d{13}\n/);
      expect(runs.map(({ code, stderr }) => ({ code, stderr }))).toEqual([
        { code: 0, stderr: '' },
        { code: 0, stderr: '' },
      ]);
      expect(executed.code).toBe(0);
      expect(JSON.parse(executed.stdout)).toMatchObject({ migrations: [{ state: 'executed', isSigra: true }, {}] });
    } finally {
      await database.drop();
    }
  });

  it.each(['bash', 'zsh'])('prints a completion script for %s that knows all commands', async (shell) => {
    const { code, stdout } = await cli.run(['completion', shell]);

    expect(code).toBe(0);
    expect(stdout).toMatch(/'token'\) candidates='create list show revoke rotate lookup' ;;/);
  });

  it('completes words and options in bash', async () => {
    const { stdout } = await cli.run(['completion', 'bash']);
    const complete = (...words: string[]) => {
      const list = words.map((word) => `'${word}'`).join(' ');
      const script = `${stdout}\nCOMP_WORDS=(sigra ${list}); COMP_CWORD=${words.length}; _sigra; echo "\${COMPREPLY[@]}"`;
      return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim();
    };

    expect(complete('tok')).toBe('token');
    expect(complete('owner', '')).toBe('lock-out forget');
    expect(complete('owner', 'forget', '--an')).toBe('--anonymize-audit');
    expect(complete('token', 'revoke', 'ID', '--le')).toBe('--leaked');
    expect(complete('token', 'revision', '')).toBe('');
    expect(complete('completion', 'z')).toBe('zsh');
  });
});
