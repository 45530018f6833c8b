import { fileURLToPath } from 'node:url';
import eslint from '@eslint/js';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import { defineConfig, globalIgnores } from 'eslint/config';
import globals from 'globals';
import tseslint from 'typescript-eslint';

const root = fileURLToPath(new URL('.', import.meta.url));

/**
 * Which folder of libs/sigra/src may import which others, beside itself. Whatever is not listed is forbidden, so that
 * data crosses every folder once on its way in: auth, http, cli -> tokens | jwt -> audit, persistence.
 */
const vocabulary = ['config', 'common', 'scopes'];
export const arrows = {
  common: [],
  config: ['common'],
  scopes: ['config', 'common'],
  telemetry: vocabulary,
  persistence: vocabulary,
  audit: [...vocabulary, 'persistence', 'telemetry'],
  // tokens and jwt never import each other: they meet in auth.
  tokens: [...vocabulary, 'audit', 'persistence', 'telemetry'],
  jwt: [...vocabulary, 'audit', 'persistence', 'telemetry'],
  maintenance: [...vocabulary, 'audit', 'persistence', 'telemetry'],
  auth: [...vocabulary, 'tokens', 'jwt', 'audit', 'persistence', 'telemetry'],
  http: [...vocabulary, 'auth', 'tokens', 'jwt', 'audit', 'persistence'],
  cli: [...vocabulary, 'tokens', 'jwt', 'audit', 'maintenance', 'persistence'],
  // The testing kit proves that the public API is enough.
  testing: ['index.ts'],
};

const library = 'libs/sigra/src';
const zones = Object.entries(arrows).map(([folder, allowed]) => ({
  target: [`${library}/${folder}`, `${library}/${folder}.ts`],
  from: library,
  except: [folder, ...allowed].map((each) => `./${each}`),
  message: `${folder} may only import ${allowed.join(', ') || 'itself'} (see the arrows in eslint.config.js).`,
}));

const tests = ['**/*.spec.ts', 'test/**/*.ts'];

export default defineConfig(
  globalIgnores(['**/dist/', '**/coverage/', '**/.data/']),
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
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    plugins: { 'import-x': importX },
    settings: {
      'import-x/extensions': ['.ts', '.js'],
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
      // Numbers read well in a message; everything else has to be made a string by hand.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Nest's modules and dynamic providers are classes that only carry a decorator.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      // It would turn a cast into a `!`, which we do not write.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      // `() => done()` is the usual way to discard a result.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Nest declares its bags of options as classes, and everybody passes literals.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // An interface of Nest's may ask for a promise where there is nothing to wait for.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['apps/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [{ group: ['**/libs/**', 'nestjs-sigra/*'], message: 'The demo is a host: import nestjs-sigra.' }],
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
            { group: ['**/apps/**', 'nestjs-sigra', 'nestjs-sigra/*'], message: 'The library knows no host.' },
          ],
        },
      ],
    },
  },
  {
    files: tests,
    rules: {
      // A spec may wire up what its folder may not import, and reach for the testing kit.
      'import-x/no-restricted-paths': 'off',
      'no-restricted-imports': 'off',
      // A failing `!` is a failing test, and the body of an HTTP answer has no type.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
