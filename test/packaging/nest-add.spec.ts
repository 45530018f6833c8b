import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../../tools/local-postgres/src/free-port.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { document } from '../support/markdown.js';
import { LocalRegistry } from './local-registry.js';
import { cleanEnvironment, run, workspace } from './scratch-app.js';

/** Tools of a new application for other purposes than its build and its tests. Without them the installation is faster. */
const UNUSED =
  /^(?:eslint.*|@eslint\/.*|typescript-eslint|prettier|globals|oxlint.*|@nestjs\/mau|@vitest\/coverage-v8|ts-loader|ts-node)$/;

const [ADD, ...INSTALL] = commandsOf('docs/existing-application.md') as [string, ...string[]];

/** The lines of the `bash` blocks of a document. */
function commandsOf(path: string): string[] {
  return document(path)
    .fences.filter(({ language }) => language === 'bash')
    .flatMap(({ code }) => code.split('\n'));
}

const kinds = [
  { kind: 'Nest 11, in CommonJS with Jest', cli: workspace.devDependencies['@nestjs/cli']!, type: 'commonjs' },
  { kind: 'Nest 12, in ES modules with Vitest', cli: '12.0.8', type: 'module' },
];

describe('the commands of the pages that lead into an application', () => {
  it('are the ones that the tests below run', () => {
    expect(ADD).toBe('npx nest add nestjs-sigra');
    expect(INSTALL.map((command) => /# (.+)$/.exec(command)?.[1])).toEqual(['Nest 11', 'Nest 12']);
    expect(commandsOf('docs/getting-started.md')).toEqual([]);
  });
});

describe.each(kinds)('nest add nestjs-sigra in a new application of $kind', ({ cli, type }) => {
  let registry: LocalRegistry;
  let database: TestDatabase;
  let parent: string;
  let app: string;
  let server: ChildProcess | undefined;
  let output: string;
  let environment: Record<string, string>;

  const shell = (command: string) => run(app, 'bash', ['-ceo', 'pipefail', command], environment);

  beforeAll(async () => {
    [registry, database] = await Promise.all([LocalRegistry.start(), createDatabase()]);
    environment = {
      npm_config_registry: registry.url,
      npm_config_prefer_offline: 'true',
      npm_config_audit: 'false',
      npm_config_fund: 'false',
      PORT: String(await freePort()),
      DATABASE_URL: database.url,
    };
    parent = await mkdtemp(join(tmpdir(), 'sigra-nest-add-'));
    app = join(parent, 'app');
    await run(
      parent,
      'npm',
      [
        'exec',
        '--yes',
        `--package=@nestjs/cli@${cli}`,
        '--',
        'nest',
        'new',
        'app',
        '--skip-install',
        '--skip-git',
        '-p',
        'npm',
      ],
      environment,
    );
    const manifest = JSON.parse(await readFile(join(app, 'package.json'), 'utf8')) as {
      type?: string;
      devDependencies: Record<string, string>;
    };
    expect(manifest.type ?? 'commonjs').toBe(type);
    const used = Object.entries(manifest.devDependencies).filter(([name]) => !UNUSED.test(name));
    manifest.devDependencies = Object.fromEntries(used);
    await writeFile(join(app, 'package.json'), JSON.stringify(manifest, null, 2));
    await shell('npm install --loglevel=error');
  });

  afterAll(async () => {
    // With the children of npm.
    if (server?.pid !== undefined) process.kill(-server.pid, 'SIGKILL');
    await registry.stop();
    await database.drop();
    await rm(parent, { recursive: true, force: true });
  });

  /** The commands that it prints, in two blocks. */
  function printed(): [start: string[], attempts: string[]] {
    const blocks = output
      .split(/\n\s*\n/)
      .map((block) => block.split('\n').map((line) => line.trim()))
      .filter(([first]) => first?.startsWith('export DATABASE_URL='));
    expect(blocks).toHaveLength(2);
    return blocks as [string[], string[]];
  }

  it('sets up an application that refuses, accepts and revokes a token with the printed commands', async () => {
    output = await shell(ADD);
    const [start, [, makeToken, ...requests]] = printed();
    // The first line sets DATABASE_URL, and the last one does not end.
    for (const command of start.slice(1, -1)) await shell(command);
    server = spawn('bash', ['-c', start.at(-1)!], { cwd: app, env: cleanEnvironment(environment), detached: true });
    await eventually(async () => {
      await fetch(`http://localhost:${environment.PORT!}/`);
    });

    const attempts = requests.map((line) => line.replace('localhost:3000', `localhost:${environment.PORT!}`));
    const answers = await shell(`${makeToken!}\n${attempts.join('\n')}`);

    // Bodies do not end with a line feed.
    const expected = requests.map((line) => / # (\d{3})/.exec(line)![1]);
    expect([...answers.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status)).toEqual(expected);
    expect(expected).toEqual(['401', '200', '403', '204', '401']);
  });

  it('leaves the tests of the application passing', async () => {
    await expect(shell('npm test && npm run test:e2e')).resolves.toBeDefined();
  });

  it('has one major of Nest, after the command that installs by hand as well', async () => {
    await shell(INSTALL.find((command) => command.endsWith(`# Nest ${cli.split('.')[0]!}`))!);

    const majors = await Promise.all(
      ['common', 'typeorm', 'passport'].map(async (name) => {
        const text = await readFile(join(app, 'node_modules/@nestjs', name, 'package.json'), 'utf8');
        return (JSON.parse(text) as { version: string }).version.split('.')[0];
      }),
    );

    expect(new Set(majors)).toEqual(new Set([cli.split('.')[0]]));
  });

  it('changes nothing when it runs again', async () => {
    const before = await snapshot(app);

    const second = await shell(ADD);

    expect(second).toContain('has the module already');
    expect(await snapshot(app)).toEqual(before);
  });
});

/** The text of the files of an application, without those that it installs and builds. */
async function snapshot(app: string): Promise<Record<string, string>> {
  const entries = await readdir(app, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => !/\/(?:node_modules|dist)\//.test(path.slice(app.length)));
  return Object.fromEntries(
    await Promise.all(files.map(async (path) => [path, await readFile(path, 'utf8')] as const)),
  );
}
