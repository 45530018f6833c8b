import { describe, expect, it } from '@jest/globals';
import { SigraError, type SigraErrorCode } from 'nestjs-sigra';
import { toHttpRefusal } from '../../libs/sigra/src/auth/http-refusal.js';
import { ERROR_CODES } from '../../libs/sigra/src/common/sigra-error.js';
import { codeIn, document } from '../support/markdown.js';
import { exportsOf, parseSource, unionOf } from '../support/source.js';

const sorted = (names: Iterable<string>) => [...new Set(names)].sort();

describe('docs/errors.md', () => {
  const codes = Object.keys(ERROR_CODES);
  const rows = document('docs/errors.md').rows.filter(([first]) => codes.includes(codeIn(first!)[0]!));

  it('has every code of SigraError once, and no other', () => {
    const oauth = new Set(unionOf('libs/sigra/src/http/oauth-error.ts', 'OAuthErrorCode'));
    const tabled = document('docs/errors.md').tabled;

    expect(sorted(tabled.filter((code) => !oauth.has(code) || codes.includes(code)))).toEqual(sorted(codes));
    expect([...oauth].filter((code) => !tabled.includes(code))).toEqual([]);
  });

  it.each(codes)('has the status of %s', (code) => {
    const status = rows.map(([first, second]) => ({ code: codeIn(first!)[0], status: second }));

    const { statusCode } = toHttpRefusal(new SigraError(code as SigraErrorCode, ''), {
      realm: 'api',
    }).getResponse() as {
      statusCode: number;
    };

    expect(status).toContainEqual({ code, status: String(statusCode) });
  });
});

describe('docs/events.md', () => {
  it('has every action of the audit trail, and no other', () => {
    const actions = unionOf('libs/sigra/src/audit/audit-event.ts', 'SigraAuditAction');

    expect(sorted(document('docs/events.md').tabled.filter((name) => name.startsWith('api.')))).toEqual(
      sorted(actions),
    );
  });

  it('has every channel, and no other', () => {
    const source = parseSource('libs/sigra/src/telemetry/channels.ts').text;
    const channels = [...source.matchAll(/'(sigra:[a-z_:]+)'/g)].map(([, name]) => name!);

    expect(channels.length).toBeGreaterThan(0);
    expect(sorted(document('docs/events.md').tabled.filter((name) => name.startsWith('sigra:')))).toEqual(
      sorted(channels),
    );
  });
});

describe('docs/api.md', () => {
  it('has everything that the package exports, and nothing else', () => {
    const exported = ['index', 'issuers', 'opentelemetry', 'swagger', 'terminus', 'testing', 'throttler'].flatMap(
      (entry) => exportsOf(`libs/sigra/src/${entry}.ts`),
    );

    expect(sorted(document('docs/api.md').tabled)).toEqual(sorted(exported));
  });
});
