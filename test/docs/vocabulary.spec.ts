import { describe, expect, it } from '@jest/globals';
import { SigraError, type SigraErrorCode } from 'nestjs-sigra';
import { type HttpRefusalBody, toHttpRefusal } from '../../libs/sigra/src/auth/http-refusal.js';
import { ERROR_CODES } from '../../libs/sigra/src/common/sigra-error.js';
import { toOAuthError } from '../../libs/sigra/src/http/oauth-error.js';
import { document } from '../support/markdown.js';
import { parseSource, unionOf } from '../support/source.js';

const sorted = (names: Iterable<string>) => [...new Set(names)].sort();

describe('docs/errors.md', () => {
  const codes = Object.keys(ERROR_CODES) as SigraErrorCode[];
  const { prose, tabled } = document('docs/errors.md');
  const sections = new Map(
    prose
      .split(/^### /m)
      .slice(1)
      .map((section) => [/^\w+/.exec(section)![0], section]),
  );

  it('has a section for every code of SigraError, and for no other', () => {
    expect([...sections.keys()].sort()).toEqual(sorted(codes));
  });

  it('has a row for every code of the OAuth endpoints, and for no other', () => {
    expect(sorted(tabled)).toEqual(sorted(unionOf('libs/sigra/src/http/oauth-error.ts', 'OAuthErrorCode')));
  });

  it.each(codes)('says how %s is answered, what causes it, and what to do', (code) => {
    const refusal = toHttpRefusal(new SigraError(code, ''), { realm: 'api' });
    const { error } = refusal.getResponse() as HttpRefusalBody;
    const { oauth } = ERROR_CODES[code] as { readonly oauth?: string };
    const answer = [
      `HTTP ${refusal.getStatus()}${error === code ? '' : ` with \`${error}\``}`,
      ...(oauth === undefined ? [] : [`at OAuth endpoints ${statusAtOAuth(code)} \`${oauth}\``]),
      ...('Retry-After' in refusal.headers ? ['with `Retry-After`'] : []),
    ].join(', ');

    const [, body, causes, remedy] = sections.get(code)!.split(/\n\n|\n(?=- )/);

    expect(body!.replaceAll('\n', ' ')).toMatch(new RegExp(`^${answer.replaceAll('.', '\\.')}\\. \\S.{15,}`));
    expect(causes).toMatch(/^- \*\*Usual causes:\*\* \S.+/);
    expect(remedy).toMatch(/^- \*\*Remedy:\*\* \S.+/);
  });

  function statusAtOAuth(code: SigraErrorCode): number {
    return toOAuthError(new SigraError(code, '')).getStatus();
  }
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
