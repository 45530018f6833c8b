import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { DataFolder } from '../../../test/support/data-folder.js';
import { eventually } from '../../../test/support/eventually.js';
import { scratchParent } from '../../../test/support/scratch-folder.js';
import { startLocalPostgres, type LocalPostgres, type LocalPostgresOptions } from '../src/local-postgres.js';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

describe('startLocalPostgres', () => {
  let template: DataFolder;
  let parent: string;
  let dataDir: string;
  const servers: LocalPostgres[] = [];
  const apps: ChildProcess[] = [];

  const start = async (options: Partial<LocalPostgresOptions> = {}): Promise<LocalPostgres> => {
    const server = await startLocalPostgres({ dataDir, durable: false, print: () => undefined, ...options });
    servers.push(server);
    return server;
  };

  /** Starts an app in its own process and process group, and waits for its URL. */
  const startApp = async (): Promise<{ app: ChildProcess; url: string }> => {
    const app = spawn(
      process.execPath,
      ['--import', path('../../typescript/register.js'), path('./app-with-database.ts'), dataDir],
      { detached: true, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    apps.push(app);
    for await (const line of createInterface({ input: app.stdout })) {
      const { url } = JSON.parse(line) as { url?: string };
      if (url) {
        return { app, url };
      }
    }
    throw new Error('the app ended before it had a database');
  };

  const kill = async (app: ChildProcess): Promise<void> => {
    const exited = once(app, 'exit');
    process.kill(app.pid!, 'SIGKILL');
    await exited;
  };

  beforeAll(async () => {
    template = await DataFolder.withDatabase();
  });
  afterAll(() => template.remove());
  beforeEach(async () => {
    parent = await mkdtemp(join(scratchParent(), 'sigra-postgres-spec-'));
    await chmod(parent, 0o755);
    dataDir = join(parent, 'data');
  });

  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    for (const app of apps.splice(0).filter((each) => each.exitCode === null && each.signalCode === null)) {
      await kill(app);
    }
    await rm(parent, { recursive: true, force: true });
  });

  it('starts a UTF-8 server that requires its random password and listens only on 127.0.0.1', async () => {
    const { url, port } = await start();

    const [settings] = await query(
      url,
      `SELECT current_setting('server_encoding') AS encoding, current_setting('listen_addresses') AS addresses,
              current_setting('max_connections')::int AS connections, lower('ÄÖ') AS lower`,
    );
    expect(settings).toEqual({ encoding: 'UTF8', addresses: '127.0.0.1', connections: 200, lower: 'äö' });
    await expect(query(`postgres://postgres:wrong@127.0.0.1:${port}/postgres`, 'SELECT 1')).rejects.toMatchObject({
      code: '28P01',
    });
    expect((await stat(join(dataDir, 'cluster/password'))).mode & 0o777).toBe(0o600);
  });

  it('can be stopped repeatedly, and keeps its data until the next start', async () => {
    await template.copyTo(dataDir);
    const first = await start();
    await query(first.url, "CREATE TABLE kept AS SELECT 'yes' AS kept");
    await Promise.all([first.stop(), first.stop()]);
    await first.stop();
    await expect(query(first.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });

    const second = await start();

    expect(await query(second.url, 'SELECT * FROM kept')).toEqual([{ kept: 'yes' }]);
  });

  it('deletes its folder when it is not persistent, and refuses a folder that is not empty', async () => {
    const server = await start({ persistent: false });
    await server.stop();
    await expect(access(dataDir)).rejects.toMatchObject({ code: 'ENOENT' });

    await writeFile(join(parent, 'precious.txt'), 'precious');
    await expect(start({ dataDir: parent, persistent: false })).rejects.toThrow('is not empty');
    expect(await readFile(join(parent, 'precious.txt'), 'utf8')).toBe('precious');
  });

  it('uses the given port, and fails when another server uses it', async () => {
    await template.copyTo(dataDir);
    await template.copyTo(join(parent, 'other'));
    const { port } = await start();

    await expect(start({ dataDir: join(parent, 'other'), port })).rejects.toThrow('Address already in use');
  });

  it('rejects a folder that another running demo uses, and names DEMO_DATA_DIR', async () => {
    await template.copyTo(dataDir);
    const { url } = await start();

    await expect(start()).rejects.toThrow(/Another running demo uses .*DEMO_DATA_DIR/);
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('lets the app write after Ctrl-C reaches the whole process group', async () => {
    await template.copyTo(dataDir);
    const { app } = await startApp();

    const exited = once(app, 'exit');
    process.kill(-app.pid!, 'SIGINT');
    expect(await exited).toEqual([0, null]);

    const { url } = await start();
    expect(await query(url, 'SELECT mark FROM marks')).toEqual([{ mark: 'written after SIGINT' }]);
  });

  it('does not outlive an app that is killed', async () => {
    await template.copyTo(dataDir);
    const { app, url } = await startApp();

    await kill(app);

    await eventually(() => expect(query(url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' }));
    await eventually(() => expect(access(join(dataDir, 'cluster/data/postmaster.pid'))).rejects.toThrow());
  });

  it('takes over at once from an app that is killed', async () => {
    await template.copyTo(dataDir);
    const { app } = await startApp();
    await kill(app);

    const { url } = await start();

    expect(await query(url, 'SELECT count(*)::int AS count FROM marks')).toEqual([{ count: 0 }]);
  });

  it('takes over a server that lost its app and its supervisor', async () => {
    await template.copyTo(dataDir);
    const { app, url: abandoned } = await startApp();
    const postmaster = await postmasterPid(dataDir);
    process.kill(await parentOf(postmaster), 'SIGKILL');
    await kill(app);
    expect(await query(abandoned, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);

    const { url } = await start();

    await expect(query(abandoned, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(await query(url, 'SELECT count(*)::int AS count FROM marks')).toEqual([{ count: 0 }]);
  });

  it('starts even if another process has the pid of the last server', async () => {
    await template.copyTo(dataDir);
    await (await start()).stop();
    const bystander = spawn('sleep', ['60']);
    await once(bystander, 'spawn');
    await writeFile(join(dataDir, 'cluster/data/postmaster.pid'), `${bystander.pid}\n${dataDir}\n`);

    const { url } = await start();

    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    bystander.kill();
  });

  it('creates the database again after an interrupted first start', async () => {
    await (await start()).stop();
    await rm(join(dataDir, 'cluster/data/base'), { recursive: true });
    await rename(join(dataDir, 'cluster/data'), join(dataDir, 'cluster/data.unfinished'));

    const { url } = await start();

    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('shows the end of the server log when the server does not start', async () => {
    await template.copyTo(dataDir);
    await writeFile(join(dataDir, 'cluster/data/PG_VERSION'), '9\n');

    await expect(start()).rejects.toThrow(/did not start[^]*initialized by PostgreSQL version 9/);
  });

  // An ordinary user cannot create a folder that its own server cannot enter.
  if (process.getuid?.() === 0) {
    describe('as root', () => {
      it('keeps the database elsewhere when its account cannot enter the folder, whose mode it keeps', async () => {
        await chmod(parent, 0o700);
        const notices: string[] = [];

        const first = await start({ print: (line) => notices.push(line) });
        await query(first.url, "CREATE TABLE kept AS SELECT 'yes' AS kept");
        await first.stop();
        const second = await start({ print: (line) => notices.push(line) });

        expect(await query(second.url, 'SELECT * FROM kept')).toEqual([{ kept: 'yes' }]);
        expect(notices).toEqual([expect.stringMatching(/cannot enter .*, so the database is in \/var\/lib\//)]);
        expect((await stat(parent)).mode & 0o777).toBe(0o700);
        const elsewhere = String(notices[0]).replace(/.* is in (.*)\.$/, '$1');
        await second.stop();
        await rm(elsewhere, { recursive: true });
      });

      it('deletes a database elsewhere when it is not persistent', async () => {
        await chmod(parent, 0o700);
        const notices: string[] = [];

        const server = await start({ persistent: false, print: (line) => notices.push(line) });
        await server.stop();

        const elsewhere = String(notices[0]).replace(/.* is in (.*)\.$/, '$1');
        await expect(access(elsewhere)).rejects.toMatchObject({ code: 'ENOENT' });
        await expect(access(dataDir)).rejects.toMatchObject({ code: 'ENOENT' });
      });
    });
  }
});

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  // The server can stop while a connection is open; then the query fails.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<object>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function postmasterPid(dataDir: string): Promise<number> {
  return Number((await readFile(join(dataDir, 'cluster/data/postmaster.pid'), 'utf8')).split('\n')[0]);
}

async function parentOf(pid: number): Promise<number> {
  if (process.platform === 'linux') {
    return Number(/^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);
  }
  const { stdout } = await promisify(execFile)('ps', ['-o', 'ppid=', '-p', String(pid)]);
  return Number(stdout);
}
