import { describe, expect, it } from '@jest/globals';
import { tokenPattern } from 'nestjs-sigra';
import { mintRawToken, mintRefreshToken } from '../../libs/sigra/src/common/token-format.js';
import { document } from '../support/markdown.js';

const { fences } = document('docs/leaks.md');
const [partnerRules = '', gitleaksRule = ''] = fences
  .filter(({ language }) => language === 'text')
  .map(({ code }) => code);

const apiToken = mintRawToken('sigra_sk_');
const refreshToken = mintRefreshToken();
const found = [apiToken, refreshToken].flatMap((token) => [token, `"${token}"`, `key=${token};`, `/${token}/x`]);
const ignored = [apiToken, refreshToken].flatMap((token) => [
  token.slice(0, -1),
  `${token}x`,
  `_${token}`,
  `${token}_`,
  `x${token}`,
]);

describe('The rules in docs/leaks.md', () => {
  const partner = partnerRules
    .trim()
    .split('\n')
    .map((line) => new RegExp(line));
  const [, gitleaks = ''] = /regex = '''(.*)'''/.exec(gitleaksRule)!;
  const patterns = [tokenPattern('sigra_sk_'), tokenPattern('sigra_rt_')];

  it.each([...found, ...ignored])('find the same as tokenPattern(): %s', (line) => {
    const expected = patterns.map((pattern) => pattern.test(line));

    expect(partner.map((pattern) => pattern.test(line))).toEqual(expected);
    expect(new RegExp(gitleaks).test(line)).toBe(expected.includes(true));
    expect(expected.includes(true)).toBe(found.includes(line));
  });

  it('can be compiled by scanners that have no lookaround', () => {
    for (const rule of [gitleaks, ...partner.map(({ source }) => source)]) expect(rule).not.toMatch(/\(\?<?[=!]/);
  });

  it('name the prefixes as keywords', () => {
    expect(gitleaksRule).toContain('keywords = ["sigra_sk_", "sigra_rt_"]');
  });
});
