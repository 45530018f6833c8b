import { posix } from 'node:path';
import type { Context, Tree } from './devkit.js';
import { HostProject, type RootModule } from './host-project.js';
import { HostManifest } from './manifest.js';
import type { SourceFile } from './source-file.js';
import * as templates from './templates.js';

export interface NestAddOptions {
  /** The folder with `main.ts`. @default 'src' */
  readonly sourceRoot?: string;
  /** The entity class of the owners of tokens. @default 'User', which is created if the application has none */
  readonly user?: string;
  /** Whether the dependencies are only written into `package.json`. @default false */
  readonly skipInstall?: boolean;
}

const FOR_ROOT = ['forRoot', 'forRootAsync'];

/**
 * The schematic that `nest add nestjs-sigra` runs. It adds the module, the migrations and an example of a protected route.
 * An application that has the module stays as it is.
 *
 * @returns a rule of the devkit, which throws an Error, and changes nothing, if it cannot edit the application
 */
export function nestAdd(options: NestAddOptions): (tree: Tree, context: Context) => void {
  return (tree, context) => {
    const host = new HostProject(tree, options.sourceRoot ?? 'src');
    const present = host.sources.find((file) => file.calls('SigraModule', FOR_ROOT));
    if (present) context.logger.info(`${present.path} has the module already: nothing to do.`);
    else new Addition(tree, context, host, options).run();
  };
}

/** One run in an application without the module. */
class Addition {
  private readonly rootModule: RootModule;
  private readonly manifest: HostManifest;
  private readonly user: { readonly className: string; readonly path: string; readonly isNew: boolean };
  /** The new migration that creates the table of the users, if they are new. */
  private readonly migration: { readonly className: string; readonly path: string } | undefined;

  constructor(
    private readonly tree: Tree,
    private readonly context: Context,
    private readonly host: HostProject,
    private readonly options: NestAddOptions,
  ) {
    this.rootModule = host.rootModule();
    this.manifest = new HostManifest(tree);
    this.user = this.findUser();
    const timestamp = Date.now();
    if (this.user.isNew) {
      this.migration = {
        className: `CreateUsers${timestamp}`,
        path: host.path(`migrations/${timestamp}-create-users.ts`),
      };
      tree.create(this.user.path, templates.userEntity());
      tree.create(this.migration.path, templates.usersMigration(timestamp));
    }
  }

  run(): void {
    const major = this.manifest.nestMajor();
    const hasDatabase = this.addTables();
    this.addExample();
    this.editRootModule(hasDatabase);
    // The peer dependencies of the library, so that they have the major of the application's Nest.
    const incomplete = this.manifest.addDependencies({
      '@nestjs/passport': `^${major}.0.0`,
      '@nestjs/typeorm': `^${major}.0.0`,
      passport: '^0.7.0',
      pg: '^8.11.0',
      typeorm: '^1.0.0',
    });
    this.manifest.save();
    this.addTasks(incomplete && this.options.skipInstall !== true, hasDatabase);
  }

  private findUser() {
    const className = this.options.user ?? 'User';
    const found = this.host.sources.find((file) => file.exportsClass(className, 'Entity'));
    if (found) return { className, path: found.path, isNew: false };
    if (className !== 'User') throw new Error(`No file in ${this.host.sourceRoot} exports an entity ${className}.`);
    return { className, path: this.host.path('users/user.entity.ts'), isNew: true };
  }

  /** Adds the tables to the DataSources that exist, or a new one. @returns whether there were any */
  private addTables(): boolean {
    const connects = this.host.sources.filter((file) => file.calls('TypeOrmModule', FOR_ROOT));
    const configured = this.host.sources.filter((file) => file.databaseType() !== undefined);
    if (connects.length > 0 && configured.length === 0) {
      throw new Error(
        `Cannot find the options of the DataSource of ${connects[0]?.path ?? ''}: an object with type: 'postgres'. ` +
          'Add the library by hand: see docs/existing-application.md in the package.',
      );
    }
    if (connects.length === 0 && configured[0]) {
      throw new Error(`${configured[0].path} configures a DataSource, but no module imports TypeOrmModule.forRoot().`);
    }
    if (configured.length === 0) this.createDataSource();
    for (const file of configured) this.extendDataSource(file);
    return connects.length > 0;
  }

  private createDataSource(): void {
    const path = this.host.path('data-source.ts');
    if (this.tree.exists(path)) throw new Error(`${path} exists, without the options of a DataSource of TypeORM.`);
    const migration = this.migration && this.importFrom(path, this.migration);
    this.tree.create(path, templates.dataSource(this.importFrom(path, this.user), migration));
    this.manifest.addScript('migration:run', `typeorm migration:run -d ${this.host.outputFolder()}/data-source.js`);
  }

  private extendDataSource(file: SourceFile): void {
    const type = file.databaseType();
    if (type !== 'postgres') throw new Error(`${file.path} connects to ${type ?? ''}: nestjs-sigra needs PostgreSQL.`);
    const edited = file.path === this.rootModule.file.path ? this.rootModule.file : file;
    const { user, migration } = this;
    edited.addToDataSource('entities', [...(user.isNew ? [user.className] : []), '...sigraEntities']);
    edited.addToDataSource('migrations', [...(migration ? [migration.className] : []), '...sigraMigrations']);
    for (const [property, value] of Object.entries(templates.DATA_SOURCE)) edited.defaultInDataSource(property, value);
    edited.addImport(['sigraEntities', 'sigraMigrations'], 'nestjs-sigra');
    if (migration) this.importInto(edited, migration);
    // The root module imports the user in any case.
    if (user.isNew && edited !== this.rootModule.file) this.importInto(edited, user);
    edited.save();
  }

  private addExample(): void {
    const controller = this.host.path('sigra-example/sigra-example.controller.ts');
    const script = this.host.path('sigra-example/make-token.ts');
    const { className, file } = this.rootModule;
    const rootModule = this.importFrom(script, { className, path: file.path });
    this.tree.create(controller, templates.exampleController(this.importFrom(controller, this.user)));
    this.tree.create(script, templates.makeToken(rootModule, this.importFrom(script, this.user), this.user.isNew));
  }

  private editRootModule(hasDatabase: boolean): void {
    const { className, file } = this.rootModule;
    const modules = [templates.moduleOptions(this.user.className)];
    if (!hasDatabase) {
      modules.unshift('TypeOrmModule.forRoot(dataSourceOptions)');
      file.addImport(['TypeOrmModule'], '@nestjs/typeorm');
    }
    file.addImport(['SigraModule'], 'nestjs-sigra');
    if (!hasDatabase) {
      this.importInto(file, { className: 'dataSourceOptions', path: this.host.path('data-source.ts') });
    }
    this.importInto(file, {
      className: 'SigraExampleController',
      path: this.host.path('sigra-example/sigra-example.controller.ts'),
    });
    if (file.importOf(this.user.className) === undefined) this.importInto(file, this.user);
    file.addToModule(className, 'imports', modules);
    file.addToModule(className, 'controllers', ['SigraExampleController']);
    file.save();
  }

  private addTasks(installs: boolean, hasDatabase: boolean): void {
    const packageManager = this.host.packageManager();
    const installation = installs
      ? [
          this.context.addTask({
            toConfiguration: () => ({
              name: 'node-package',
              options: { command: 'install', quiet: true, packageManager },
            }),
          }),
        ]
      : [];
    const text = this.nextSteps(packageManager, hasDatabase);
    this.context.addTask(
      { toConfiguration: () => ({ name: 'run-schematic', options: { name: 'next-steps', options: { text } } }) },
      installation,
    );
  }

  private nextSteps(packageManager: string, hasDatabase: boolean): string {
    const output = this.host.outputFolder();
    const example = 'curl -i localhost:3000/sigra-example';
    const token = '-H "Authorization: Bearer $TOKEN"';
    const guarded = this.host.sources.find((file) => file.hasGlobalGuards());
    const warning = guarded
      ? `
${guarded.path} has global guards, which run before that of the example. One that authenticates refuses its token until
it leaves these routes to SigraAuthGuard or is replaced by it: see "A global guard of your own" in
node_modules/nestjs-sigra/docs/existing-application.md
`
      : '';
    return `${warning}
Start the application, with the URL of your PostgreSQL:

  export DATABASE_URL=postgres://user:password@localhost:5432/my_api
  ${[`${packageManager} run build`, ...this.migrationStep(packageManager, hasDatabase), `${packageManager} run start:prod`].join('\n  ')}

Try it in another terminal:

  export DATABASE_URL=postgres://user:password@localhost:5432/my_api
  export $(node ${output}/sigra-example/make-token.js)
  ${example}  # 401
  ${example} ${token}  # 200
  ${example} ${token} -X POST  # 403
  curl -i localhost:3000/api/tokens/$ID ${token} -X DELETE  # 204: revokes the token
  ${example} ${token}  # 401

Then delete the folder ${this.host.path('sigra-example')}, and protect routes of your own.
`;
  }

  /** The command that runs the migrations, unless the application does. */
  private migrationStep(packageManager: string, hasDatabase: boolean): readonly string[] {
    if (!hasDatabase) return [`${packageManager} run migration:run`];
    if (this.host.sources.some((file) => file.runsMigrations())) return [];
    return ['DATABASE_URL=… npx sigra migration run  # or as you run your migrations'];
  }

  private importInto(file: SourceFile, target: { readonly className: string; readonly path: string }): void {
    const { className, from } = this.importFrom(file.path, target);
    file.addImport([className], from);
  }

  private importFrom(path: string, target: { readonly className: string; readonly path: string }): templates.Imported {
    const relative = posix.relative(posix.dirname(path), target.path.replace(/\.ts$/, this.host.importEnding()));
    return { className: target.className, from: relative.startsWith('.') ? relative : `./${relative}` };
  }
}
