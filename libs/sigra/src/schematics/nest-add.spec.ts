import { readFileSync } from 'node:fs';
import { HostTree } from '@angular-devkit/schematics';
import { UnitTestTree } from '@angular-devkit/schematics/testing/index.js';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { check } from 'prettier';
import type { Context } from './devkit.js';
import { nestAdd, type NestAddOptions } from './nest-add.js';

const MAIN = `import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

const app = await NestFactory.create(AppModule);
await app.listen(3000);
`;

const MODULE = `import { Module } from '@nestjs/common';
import { AppController } from './app.controller.js';

@Module({
  imports: [],
  controllers: [AppController],
})
export class AppModule {}
`;

const DATABASE = `import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Account } from './account.js';

@Module({
  imports: [
    // The database of the application.
    TypeOrmModule.forRootAsync({
      useFactory: () => ({
        type: 'postgres',
        url: process.env.DATABASE_URL,
        entities: [Account],
      }),
    }),
  ],
})
export class AppModule {}
`;

const ACCOUNT = `import { Entity, PrimaryColumn } from 'typeorm';

@Entity()
export class Account {
  @PrimaryColumn('uuid')
  id!: string;
}
`;

const manifest = (nest: string, dependencies = {}, scripts = {}) =>
  JSON.stringify({ scripts, dependencies: { '@nestjs/core': nest, ...dependencies } }, null, 2);

describe('nest add nestjs-sigra', () => {
  let tasks: { name: string; options: Record<string, unknown> }[];
  let printed: string[];

  beforeEach(() => {
    tasks = [];
    printed = [];
  });

  function host(files: Record<string, string>): UnitTestTree {
    const tree = new UnitTestTree(new HostTree());
    const all = { 'package.json': manifest('^12.0.1'), 'src/main.ts': MAIN, 'src/app.module.ts': MODULE, ...files };
    for (const [path, content] of Object.entries(all)) tree.create(path, content);
    return tree;
  }

  function add(tree: UnitTestTree, options: NestAddOptions = {}): void {
    const context: Context = {
      logger: { info: (message) => printed.push(message), warn: (message) => printed.push(message) },
      addTask: (task) => ({ id: tasks.push(task.toConfiguration() as (typeof tasks)[number]) }),
    };
    nestAdd(options)(tree, context);
  }

  const contents = (tree: UnitTestTree) => Object.fromEntries(tree.files.map((path) => [path, tree.readText(path)]));

  it('adds the module, a DataSource, a user and an example to a new application', () => {
    const tree = host({});

    add(tree);

    expect(tree.files.map((path) => path.replace(/\d{13}/, 'TIME')).sort()).toEqual([
      '/package.json',
      '/src/app.module.ts',
      '/src/data-source.ts',
      '/src/main.ts',
      '/src/migrations/TIME-create-users.ts',
      '/src/sigra-example/make-token.ts',
      '/src/sigra-example/sigra-example.controller.ts',
      '/src/users/user.entity.ts',
    ]);
    expect(tree.readText('src/app.module.ts')).toContain(`@Module({
  imports: [
    TypeOrmModule.forRoot(dataSourceOptions),
    SigraModule.forRoot({
      users: { entity: User },
      apiTokens: { scopes: ['read:examples', 'write:examples'] },
      controllers: { tokens: 'api/tokens' },
    }),
  ],
  controllers: [AppController, SigraExampleController],
})`);
    expect(tasks.map(({ name }) => name)).toEqual(['node-package', 'run-schematic']);
  });

  it('writes files that Prettier leaves as they are', async () => {
    const tree = host({});

    add(tree);

    const written = Object.entries(contents(tree)).filter(([path]) => path.endsWith('.ts'));
    const options = { parser: 'typescript', singleQuote: true, trailingComma: 'all' } as const;
    const unformatted: string[] = [];
    for (const [path, text] of written) if (!(await check(text, options))) unformatted.push(path);
    expect(unformatted).toEqual([]);
  });

  it('changes nothing when it runs again', () => {
    const tree = host({});
    add(tree);
    const before = contents(tree);
    tasks = [];

    add(tree);

    expect(contents(tree)).toEqual(before);
    expect(tasks).toEqual([]);
    expect(printed).toEqual(['src/app.module.ts has the module already: nothing to do.']);
  });

  it('imports without endings in CommonJS, and takes the packages of Nest 11', () => {
    const withoutEndings = (text: string) => text.replaceAll(".js'", "'");
    const tree = host({
      'package.json': manifest('^11.0.1'),
      'src/main.ts': withoutEndings(MAIN),
      'src/app.module.ts': withoutEndings(MODULE),
    });

    add(tree);

    expect(Object.values(contents(tree)).filter((text) => text.includes(".js'"))).toEqual([]);
    expect(tree.readJson('package.json')).toMatchObject({
      scripts: { 'migration:run': 'typeorm migration:run -d dist/data-source.js' },
      dependencies: { '@nestjs/passport': '^11.0.0', '@nestjs/typeorm': '^11.0.0', typeorm: '^1.0.0' },
    });
  });

  it('extends the DataSource and takes the user of the application', () => {
    const dependencies = { '@nestjs/passport': '12.0.0', passport: '0.7.0', pg: '8.11.0' };
    const tree = host({
      'package.json': manifest('^12.0.1', { ...dependencies, '@nestjs/typeorm': '12.0.2', typeorm: '0.3.20' }),
      'src/app.module.ts': DATABASE,
      'src/account.ts': ACCOUNT,
    });
    const before = tree.readText('package.json');

    add(tree, { user: 'Account' });

    const root = tree.readText('src/app.module.ts');
    expect(root).toContain('entities: [Account, ...sigraEntities],\n        migrations: [...sigraMigrations],');
    expect(root).toContain('// The database of the application.');
    expect(root).toContain('users: { entity: Account },');
    expect(root).toContain("import { sigraEntities, sigraMigrations, SigraModule } from 'nestjs-sigra';");
    expect(root.match(/TypeOrmModule\.forRoot/g)).toHaveLength(1);
    expect(tree.exists('src/data-source.ts')).toBe(false);
    expect(tree.exists('src/users/user.entity.ts')).toBe(false);
    expect(tree.readText('package.json')).toBe(before);
    expect(tasks.map(({ name }) => name)).toEqual(['run-schematic']);
  });

  it('gives a DataSource what Sigra needs, and leaves what it has', () => {
    const tree = host({
      'src/app.module.ts': DATABASE.replace('entities:', 'connectTimeoutMS: 500,\n        entities:'),
      'src/account.ts': ACCOUNT,
    });

    add(tree, { user: 'Account' });

    const root = tree.readText('src/app.module.ts');
    expect(root.match(/connectTimeoutMS/g)).toHaveLength(1);
    expect(root).toContain("migrations: [...sigraMigrations],\n        migrationsTransactionMode: 'each',");
  });

  it.each([
    ['the application runs them', 'migrationsRun: true', false],
    ['they do not run by themselves', 'migrationsRun: false', true],
    ['nothing says who runs them', 'logging: false', true],
  ])('names a command for the migrations unless the application runs them: %s', (_case, option, isNamed) => {
    const tree = host({
      'src/app.module.ts': DATABASE.replace('entities:', `${option},\n        entities:`),
      'src/account.ts': ACCOUNT,
    });

    add(tree, { user: 'Account' });

    const { text } = tasks.find(({ name }) => name === 'run-schematic')?.options.options as { text: string };
    expect(text.includes('DATABASE_URL=… npx sigra migration run')).toBe(isNamed);
    expect(text).not.toContain('migration:run');
    expect(text).toContain('run build\n');
    expect(text).toContain('run start:prod\n');
  });

  it.each([
    [
      'a provider',
      'src/app.module.ts',
      MODULE.replace('@Module({', '@Module({\n  providers: [{ provide: APP_GUARD, useClass: MyGuard }],'),
    ],
    [
      'main.ts',
      'src/main.ts',
      MAIN.replace('await app.listen', 'app.useGlobalGuards(new MyGuard());\nawait app.listen'),
    ],
  ])('warns of a global guard of %s', (_case, path, content) => {
    const tree = host({ [path]: content });

    add(tree);

    const { text } = tasks.find(({ name }) => name === 'run-schematic')?.options.options as { text: string };
    expect(text).toContain(`${path} has global guards`);
  });

  it('works in an application of a monorepo', () => {
    const tree = host({
      'package.json': manifest('^12.0.1', {}, { 'start:prod': 'node dist/apps/shop/main' }),
      'apps/shop/src/main.ts': MAIN.replaceAll('AppModule', 'ShopModule').replaceAll('app.module', 'shop.module'),
      'apps/shop/src/shop.module.ts': MODULE.replaceAll('AppModule', 'ShopModule'),
    });

    add(tree, { sourceRoot: 'apps/shop/src', skipInstall: true });

    expect(tree.readText('apps/shop/src/shop.module.ts')).toContain('SigraModule.forRoot(');
    expect(tree.readText('apps/shop/src/sigra-example/make-token.ts')).toContain("from '../shop.module.js'");
    expect(tree.readText('package.json')).toContain('-d dist/apps/shop/data-source.js');
    expect(tasks.map(({ name }) => name)).toEqual(['run-schematic']);
  });

  it.each<[string, Record<string, string>, NestAddOptions, string]>([
    ['Nest 10', { 'package.json': manifest('^10.4.0') }, {}, 'nestjs-sigra needs Nest 11 or 12'],
    ['MySQL', { 'src/app.module.ts': DATABASE.replace('postgres', 'mysql') }, {}, 'needs PostgreSQL'],
    [
      'a DataSource whose options it cannot find',
      { 'src/app.module.ts': DATABASE.replace("type: 'postgres'", '...options') },
      {},
      'Cannot find the options of the DataSource of src/app.module.ts',
    ],
    [
      'entities that are not a list',
      { 'src/app.module.ts': DATABASE.replace('[Account]', 'mine') },
      {},
      'Cannot add to entities in src/app.module.ts',
    ],
    ['a user that does not exist', {}, { user: 'Customer' }, 'No file in src exports an entity Customer.'],
    ['a main.ts without a root module', { 'src/main.ts': 'export {};' }, {}, 'Cannot find the root module'],
  ])('refuses %s', (_case, files, options, message) => {
    const tree = host(files);

    expect(() => add(tree, options)).toThrow(message);
  });
});

describe('the collection of schematics', () => {
  const library = new URL('../../', import.meta.url);
  const read = (path: string) => JSON.parse(readFileSync(new URL(path, library), 'utf8')) as Record<string, never>;

  it('is named in package.json', () => {
    expect(read('package.json').schematics).toBe('./schematics/collection.json');
    expect(read('schematics/collection.json').schematics).toHaveProperty('nest-add');
  });
});
