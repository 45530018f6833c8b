import { type AddressInfo, createServer } from 'node:net';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { DEMO_TIMEOUT, DemoProcess } from '../support/demo.js';

jest.setTimeout(DEMO_TIMEOUT);

describe('a demo that cannot start', () => {
  let dataDir: string;
  let database: TestDatabase;

  const fail = (environment: Record<string, string>) =>
    new DemoProcess({ DEMO_DATA_DIR: dataDir, ...environment }).end();

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'sigra-demo-'));
    database = await createDatabase();
  });
  afterAll(async () => {
    await rm(dataDir, { recursive: true });
    await database.drop();
  });

  it.each([
    [{ PORT: 'abc' }, 'PORT is "abc"; it must be a number from 0 to 65535.'],
    [{ PORT: '65536' }, 'PORT is "65536"; it must be a number from 0 to 65535.'],
    [{ PORT: '-1' }, 'PORT is "-1"; it must be a number from 0 to 65535.'],
    [{ HTTP_ADAPTER: 'koa' }, 'HTTP_ADAPTER is "koa"; it must be express or fastify.'],
    [
      { DATABASE_URL: 'mysql://root:hush@127.0.0.1/x' },
      'DATABASE_URL is not a PostgreSQL URL; it must look like postgres://user:password@host:5432/name.',
    ],
    [
      { DATABASE_URL: 'postgres://root:hush@127.0.0.1:1/x' },
      'DATABASE_URL: cannot connect to 127.0.0.1:1/x: connect ECONNREFUSED 127.0.0.1:1',
    ],
  ])('reports %j in one line, and exits with 1', async (environment, message) => {
    const { code, output, errors } = await fail(environment);

    expect({ code, output, errors }).toEqual({ code: 1, output: '', errors: `${message}\n` });
  });

  it('reports a database that does not exist, without the password', async () => {
    const { hash, password } = Object.assign(new URL(database.url), { hash: '' });
    const { code, errors } = await fail({ DATABASE_URL: database.url.replace(/\/\w+$/, `/absent${hash}`) });

    expect(code).toBe(1);
    expect(errors).toMatch(/^DATABASE_URL: cannot connect to [\w.:]+\/absent: database "absent" does not exist\n$/);
    expect(errors).not.toContain(password);
  });

  it('reports a port that is in use, before it creates a database', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;

    const { code, errors } = await fail({ PORT: String(port) });
    other.close();

    expect(code).toBe(1);
    expect(errors).toBe(
      `PORT: ${port} is in use. Stop the program that listens on it, or choose another port. PORT=0 chooses a free port.\n`,
    );
    expect(await readdir(dataDir)).toEqual([]);
  });

  it('reports a data folder that is a file', async () => {
    const file = join(dataDir, 'file');
    await writeFile(file, '');

    const { code, errors } = await fail({ DEMO_DATA_DIR: file });
    await rm(file);

    expect(code).toBe(1);
    expect(errors).toMatch(/^DEMO_DATA_DIR: .*file cannot be used: .*\n$/);
  });

  it('treats empty variables as missing', async () => {
    const demo = new DemoProcess({ PORT: '0', HTTP_ADAPTER: '', DATABASE_URL: database.url, DEMO_DATA_DIR: '' });

    await demo.ready();
    await demo.stop();

    expect(demo.output).toContain('on Express');
  });
});
