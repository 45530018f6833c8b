import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../../tools/local-postgres/src/free-port.js';
import { type BackgroundCommands, startInBackground } from '../support/background-commands.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { document, type MarkdownFile } from '../support/markdown.js';
import { LocalRegistry } from './local-registry.js';
import { cleanEnvironment, run, workspace } from './scratch-app.js';

/** Tools of a new application for other purposes than its build and its tests. Without them the installation is faster. */
const UNUSED =
  /^(?:eslint.*|@eslint\/.*|typescript-eslint|prettier|globals|oxlint.*|@nestjs\/mau|@vitest\/coverage-v8|ts-loader|ts-node)$/;

const QUICK_START = document('docs/quick-start.md');
const [ADD, START, TRY] = commandsOf(QUICK_START) as [string, string, string];
const [, ...INSTALL] = commandsOf(document('docs/existing-application.md')).join('\n').split('\n');

/** The `bash` blocks of a document. */
function commandsOf({ fences }: MarkdownFile): string[] {
  return fences.filter(({ language }) => language === 'bash').map(({ code }) => code);
}

const kinds = [
  { kind: 'Nest 11, in CommonJS with Jest', cli: workspace.devDependencies['@nestjs/cli']!, type: 'commonjs' },
  { kind: 'Nest 12, in ES modules with Vitest', cli: '12.0.8', type: 'module' },
];

describe('the commands of the pages that lead into an application', () => {
  it('are the ones that the tests below run', () => {
    expect(commandsOf(QUICK_START)).toEqual([ADD, START, TRY]);
    expect(commandsOf(document('docs/existing-application.md'))[0]).toBe(ADD);
    expect(INSTALL.map((command) => /# (.+)$/.exec(command)?.[1])).toEqual(['Nest 11', 'Nest 12']);
    expect(commandsOf(document('docs/getting-started.md'))).toEqual([]);
  });
});

describe.each(kinds)('nest add nestjs-sigra in a new application of $kind', ({ cli, type }) => {
  let registry: LocalRegistry;
  let database: TestDatabase;
  let parent: string;
  let app: string;
  let server: BackgroundCommands | undefined;
  let environment: Record<string, string>;

  const shell = (commands: string, extra: Record<string, string> = {}) =>
    run(app, 'bash', ['-ceo', 'pipefail', commands], { ...environment, ...extra });
  /** Commands of a page, with the database and the port of this test. */
  const here = (commands: string) =>
    commands
      .replaceAll('postgres://user:password@localhost:5432/my_api', `'${database.url}'`)
      .replaceAll('localhost:3000', `localhost:${environment.PORT!}`);

  beforeAll(async () => {
    [registry, database] = await Promise.all([LocalRegistry.start(), createDatabase()]);
    environment = {
      npm_config_registry: registry.url,
      npm_config_prefer_offline: 'true',
      npm_config_audit: 'false',
      npm_config_fund: 'false',
      PORT: String(await freePort()),
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
    server?.kill();
    await registry.stop();
    await database.drop();
    await rm(parent, { recursive: true, force: true });
  });

  it('sets up an application that the commands of the quick start start and try', async () => {
    const printed = await shell(ADD);
    server = await startInBackground(here(START), 'successfully started', {
      cwd: app,
      env: cleanEnvironment(environment),
    });
    await eventually(() => fetch(`http://localhost:${environment.PORT!}/`));

    const answers = answersOf(await shell(here(TRY)));

    // The comment of each request, and the table below them.
    const requests = TRY.split('\n').filter((line) => line.startsWith('curl '));
    expect(answers.map(({ status }) => status)).toEqual(requests.map((line) => / # (\d{3})/.exec(line)?.[1]));
    expect(answers).toEqual(
      QUICK_START.rows.map(([status, why]) => ({ status, code: /code `(\w+)`/.exec(why!)?.[1] })),
    );
    expect(answers.map(({ status }) => status)).toEqual(['401', '200', '403', '204', '401']);
    expect(blocksOf(printed)).toEqual([START, TRY]);
  });

  it('leaves the tests of the application passing', async () => {
    await expect(shell('npm test && npm run test:e2e', { DATABASE_URL: database.url })).resolves.toBeDefined();
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

/** The blocks of commands that `nest add` prints. */
function blocksOf(printed: string): string[] {
  return printed
    .split(/\n\s*\n/)
    .map((block) => block.replaceAll(/^ +/gm, ''))
    .filter((block) => block.startsWith('export '));
}

/** The answers that `curl -i` has printed. Bodies do not end with a line feed. */
function answersOf(printed: string): { status: string | undefined; code: string | undefined }[] {
  return printed.split(/(?=HTTP\/1\.1 )/).map((answer) => ({
    status: /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1],
    code: /"error":"(\w+)"/.exec(answer)?.[1],
  }));
}

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
