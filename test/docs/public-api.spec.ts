import { describe, expect, it } from '@jest/globals';
import * as main from 'nestjs-sigra';
import * as issuers from 'nestjs-sigra/issuers';
import * as openTelemetry from 'nestjs-sigra/opentelemetry';
import * as swagger from 'nestjs-sigra/swagger';
import * as terminus from 'nestjs-sigra/terminus';
import * as testing from 'nestjs-sigra/testing';
import * as throttler from 'nestjs-sigra/throttler';
import { apiPage } from '../../scripts/api-docs.js';
import { document } from '../support/markdown.js';
import { exportsOf } from '../support/source.js';

const page = document('docs/api.md');

/** The sections of a subpath by the name of their export, each with the kind of its declaration. */
function sectionsOf(subpath: string): Map<string, string> {
  const [, text = ''] = new RegExp(`^## \`${subpath}\`\\n([^]*?)(?=^## )`, 'm').exec(page.text) ?? [];
  return new Map(
    text
      .split(/^#### /m)
      .slice(1)
      .map((section) => [/^.+/.exec(section)![0], section]),
  );
}

const ENTRIES: [string, string, object][] = [
  ['nestjs-sigra', 'index', main],
  ['nestjs-sigra/issuers', 'issuers', issuers],
  ['nestjs-sigra/opentelemetry', 'opentelemetry', openTelemetry],
  ['nestjs-sigra/swagger', 'swagger', swagger],
  ['nestjs-sigra/terminus', 'terminus', terminus],
  ['nestjs-sigra/testing', 'testing', testing],
  ['nestjs-sigra/throttler', 'throttler', throttler],
];

// The page is the list of the public API: its changes show in every review.
describe('docs/api.md', () => {
  it('is what `npm run docs:api` writes', async () => {
    expect(await apiPage(page.text)).toBe(page.text);
  }, 120_000);

  it.each(ENTRIES)('has a section for everything that %s exports, and for nothing else', (subpath, entry) => {
    expect([...sectionsOf(subpath).keys()].sort()).toEqual(exportsOf(`libs/sigra/src/${entry}.ts`).sort());
  });

  it.each(ENTRIES)('shows how to call or use every value that %s exports', (subpath, _entry, exported) => {
    const sections = sectionsOf(subpath);
    const unclear = Object.keys(exported).filter(
      (name) => !new RegExp(`^(?:(?:abstract )?class |const )?${name}\\b`, 'm').test(codeOf(sections.get(name))),
    );

    expect(unclear).toEqual([]);
  });

  it('cannot be written without a place for a group of exports', async () => {
    const without = page.text.replace('<!-- api: index/Scopes -->', '');

    await expect(apiPage(without)).rejects.toThrow('has no marker <!-- api: index/Scopes -->');
  }, 120_000);

  function codeOf(section = ''): string {
    return [...section.matchAll(/```text\n([^]*?)```/g)].map(([, code]) => code).join('\n');
  }
});

describe('nestjs-sigra', () => {
  it('has guards whose way to the request can be overridden', () => {
    for (const guard of [main.SigraAuthGuard, main.BearerAuthGuard, main.SessionAuthGuard]) {
      expect((guard.prototype as unknown as { getRequest: unknown }).getRequest).toBeInstanceOf(Function);
    }
  });
});
