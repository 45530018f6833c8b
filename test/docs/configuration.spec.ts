import { describe, expect, it } from '@jest/globals';
import { resolveConfig } from '../../libs/sigra/src/config/resolve-config.js';
import { codeIn, document } from './support/markdown.js';
import { optionPaths } from './support/options.js';

class User {
  id = '';
}

const rows = document('docs/configuration.md').rows.map(([option, , fallback]) => ({
  option: codeIn(option!)[0]!,
  fallback: /^`([^`]+)`$/.exec(fallback!)?.[1],
}));

/** What an option is when the host does not say; undefined where the module itself, not the configuration, has it. */
function defaults(): Map<string, unknown> {
  const { users, session, jwt, ...rest } = resolveConfig({
    users: { entity: User },
    jwt: { enabled: true, issuer: 'https://myapp.example', secret: 'x'.repeat(32) },
    session: { userId: () => undefined },
  });
  const found = new Map<string, unknown>([
    ['users.id', users.idProperty],
    ['session.scopes', session?.scopes],
    ['session.trustedOrigins', [...session!.trustedOrigins]],
  ]);
  const add = (prefix: string, values: object) => {
    for (const [name, value] of Object.entries(values)) {
      if (typeof value === 'object' && value !== null && !Array.isArray(value))
        add(`${prefix}${name}.`, value as object);
      else found.set(prefix + name, value);
    }
  };
  add('', rest);
  const { accessTtl, refreshTtl, absoluteTtl, audience, clockTolerance, check, reuseLeeway } = jwt!;
  add('jwt.', { accessTtl, refreshTtl, absoluteTtl, audience, clockTolerance, check, reuseLeeway });
  return found;
}

describe('docs/configuration.md', () => {
  it('has every option once, and no other', () => {
    expect(rows.map(({ option }) => option).sort()).toEqual(optionPaths().sort());
  });

  it('tells every default as it is', () => {
    const real = [...defaults()].filter(([, value]) => value !== undefined);
    const told = new Map(rows.map(({ option, fallback }) => [option, fallback]));

    expect(real.length).toBeGreaterThan(20);
    for (const [option, value] of real) expect([option, parse(told.get(option))]).toEqual([option, value]);
  });
});

/** Reads what is written as in TypeScript: `'api'`, `2_592_000`, `['*']`. */
function parse(literal: string | undefined): unknown {
  if (literal === undefined) return undefined;
  return JSON.parse(literal.replaceAll(/(?<=\d)_(?=\d)/g, '').replaceAll("'", '"'));
}
