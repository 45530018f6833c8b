import { describe, expect, it } from '@jest/globals';
import { ScopeRules } from '../../libs/sigra/src/common/scope-rules.js';
import { resolveConfig, sigraSection } from '../../libs/sigra/src/config/resolve-config.js';
import { trustedIssuerSection } from '../../libs/sigra/src/integrations/issuers/trusted-issuer.section.js';
import { configurationPage, optionDocs } from '../../scripts/configuration-docs.js';
import { codeIn, document } from '../support/markdown.js';

class User {
  id = '';
}

const page = document('docs/configuration.md');
const rows = page.rows.map(([option, , fallback]) => ({
  option: codeIn(option!)[0]!,
  fallback: /^`([^`]+)`$/.exec(fallback!)?.[1],
}));

/** The resolved defaults by path, without those of the options that shape the module. */
function defaults(): Map<string, unknown> {
  const { users, session, jwt, apiTokens, ...rest } = resolveConfig({
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
  const { rules, kinds, foreignFormats: _formats, rawTokens: _raw, ...others } = apiTokens;
  const { name: _none, scopes: _all, importedPrefixes: _imported, ...only } = kinds.all[0]!;
  add('apiTokens.', only);
  found.set('apiTokens.writeImpliesRead', rules !== ScopeRules.NONE);
  const { ownerTypes: _types, ...top } = rest as typeof rest & { ownerTypes?: unknown };
  add('', { ...top, apiTokens: others });
  const { accessTtl, refreshTtl, absoluteTtl, audience, clockTolerance, check, reuseLeeway } = jwt!;
  add('jwt.', { accessTtl, refreshTtl, absoluteTtl, audience, clockTolerance, check, reuseLeeway });
  return found;
}

describe('docs/configuration.md', () => {
  it('lists every option once, and nothing else', () => {
    expect(rows.map(({ option }) => option).sort()).toEqual([...optionDocs().keys()].sort());
  });

  it('states every default as it is', () => {
    const real = [...defaults()].filter(([, value]) => value !== undefined);
    const stated = new Map(rows.map(({ option, fallback }) => [option, fallback]));

    expect(real.length).toBeGreaterThan(20);
    for (const [option, value] of real) expect([option, parse(stated.get(option))]).toEqual([option, value]);
  });

  it('is what `npm run docs:configuration` writes', () => {
    expect(configurationPage(page.text, sigraSection.options)).toBe(page.text);
  });

  it('cannot be written while a doc comment states another default than the spec', () => {
    const { realm, ...others } = sigraSection.options;
    const changed = { ...others, realm: { ...realm!, default: 'sigra' } };

    expect(() => configurationPage(page.text, changed)).toThrow(
      "The default of realm is 'sigra', and its doc comment states 'api'",
    );
  });
});

describe('docs/issuers.md', () => {
  it('lists every option of an issuer with its default', () => {
    const stated = document('docs/issuers.md')
      .rows.filter((row) => row.length === 4)
      .map(([option, , fallback]) => [codeIn(option!)[0]!, parse(/^`([^`]+)`$/.exec(fallback!)?.[1])] as const);
    const options = Object.entries(trustedIssuerSection.options);
    const literals = options.filter(([, { default: value }]) => value !== undefined && typeof value !== 'function');

    const listed = stated.filter(([option]) => Object.hasOwn(trustedIssuerSection.options, option));

    expect(listed.map(([option]) => option)).toEqual(options.map(([option]) => option));
    for (const [option, { default: value }] of literals) expect(listed).toContainEqual([option, value]);
  });
});

/** Parses a literal of TypeScript: `'api'`, `2_592_000`, `['*']`. */
function parse(literal: string | undefined): unknown {
  if (literal === undefined) return undefined;
  return JSON.parse(literal.replaceAll(/(?<=\d)_(?=\d)/g, '').replaceAll("'", '"'));
}
