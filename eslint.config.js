import { fileURLToPath } from 'node:url';
import eslint from '@eslint/js';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import { defineConfig, globalIgnores } from 'eslint/config';
import globals from 'globals';
import tseslint from 'typescript-eslint';

const root = fileURLToPath(new URL('.', import.meta.url));

/**
 * Which folders of libs/sigra/src a folder can import, beside itself. Everything else is forbidden, so that data crosses
 * each folder once on its way in: auth, http, cli -> tokens | jwt -> audit, persistence. A test rejects unused arrows.
 */
export const arrows = {
  common: [],
  config: ['common'],
  scopes: ['config', 'common'],
  telemetry: ['common'],
  persistence: ['config', 'common', 'telemetry'],
  audit: ['config', 'common', 'telemetry', 'persistence'],
  owners: ['config', 'common', 'scopes', 'telemetry', 'persistence', 'audit'],
  // tokens and jwt never import each other: they meet in auth.
  tokens: ['config', 'common', 'scopes', 'telemetry', 'persistence', 'audit', 'owners'],
  jwt: ['config', 'common', 'scopes', 'telemetry', 'persistence', 'audit', 'owners'],
  maintenance: ['config', 'common', 'persistence', 'telemetry', 'owners'],
  auth: ['config', 'common', 'scopes', 'persistence', 'owners', 'tokens', 'jwt'],
  http: ['config', 'common', 'scopes', 'persistence', 'tokens', 'jwt', 'auth'],
  integrations: [
    'config',
    'common',
    'telemetry',
    'scopes',
    'persistence',
    'tokens',
    'jwt',
    'maintenance',
    'auth',
    'http',
  ],
  cli: ['config', 'common', 'persistence', 'audit', 'owners', 'tokens', 'jwt', 'maintenance'],
  schematics: [],
  // The testing kit puts tokens into states that no service creates, so it uses internals.
  testing: ['common', 'persistence', 'audit', 'tokens', 'jwt', 'auth'],
};

const library = 'libs/sigra/src';
/** The command line starts the module as an application does. */
const files = { cli: ['sigra.module.ts'] };
const zones = Object.entries(arrows).map(([folder, allowed]) => ({
  target: [`${library}/${folder}`, `${library}/${folder}.ts`],
  from: library,
  except: [folder, ...allowed, ...(files[folder] ?? [])].map((each) => `./${each}`),
  message: `${folder} may only import ${allowed.join(', ') || 'itself'} (see the arrows in eslint.config.js).`,
}));

const tests = ['**/*.spec.ts', 'test/**/*.ts', 'tools/*/test/**/*.ts'];

export default defineConfig(
  // The scratch applications have their own compilers and dependencies.
  globalIgnores(['**/dist/', '**/coverage/', '**/.data/', 'test/packaging/hosts/']),
  eslint.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    languageOptions: { globals: globals.node },
    rules: { eqeqeq: ['error', 'always', { null: 'ignore' }] },
  },
  { files: ['apps/*/src/assets/**/*.js'], languageOptions: { globals: globals.browser } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: ['tsconfig.json', 'libs/ui/tsconfig.json'], tsconfigRootDir: root } },
    plugins: { 'import-x': importX },
    settings: {
      'import-x/extensions': ['.ts', '.js'],
      // No cycle leads through a package, and parsing them all takes most of the time.
      'import-x/ignore': ['/node_modules/'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
      'import-x/resolver-next': [
        createNodeResolver({
          extensions: ['.ts', '.js'],
          extensionAlias: { '.js': ['.ts', '.js'] },
          tsconfig: { configFile: `${root}tsconfig.json` },
        }),
      ],
    },
    rules: {
      'import-x/no-cycle': 'error',
      'import-x/no-self-import': 'error',
      'import-x/no-restricted-paths': ['error', { basePath: root, zones }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      // Numbers are readable in a message; all other values must be converted explicitly.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Nest modules are empty classes with a decorator.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      // It would replace a cast with `!`, which is forbidden outside tests.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      // `({ secret, ...rest }) => rest` is the usual way to leave a property out.
      '@typescript-eslint/no-unused-vars': ['error', { ignoreRestSiblings: true }],
      // `() => done()` is the usual way to discard a result.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Nest declares some options as classes, but they are passed as literals.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // Interfaces can require a promise from a method that awaits nothing.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['apps/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            { group: ['**/libs/**', 'nestjs-sigra/*/**'], message: 'Import nestjs-sigra, as any application does.' },
          ],
        },
      ],
    },
  },
  {
    files: ['libs/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['**/apps/**', 'nestjs-sigra', 'nestjs-sigra/*'],
              message: 'The library must not import applications.',
            },
          ],
        },
      ],
    },
  },
  {
    files: tests,
    rules: {
      // A spec can import other folders and the testing kit.
      'import-x/no-restricted-paths': 'off',
      'no-restricted-imports': 'off',
      // A wrong `!` fails the test, and the body of an HTTP answer has no type.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
