import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  commonResources,
  grantResources,
  isResource,
  isResourceList,
  isWithinResources,
  parseResources,
  type ResourceLimit,
} from './resource-limit.js';

const resource = fc
  .tuple(fc.constantFrom('project', 'document', 'pro'), fc.constantFrom('1', '2', 'a', 'A', '*'))
  .map(([type, id]) => `${type}:${id}`);
const limit: fc.Arbitrary<ResourceLimit> = fc.option(fc.array(resource, { maxLength: 6 }), { nil: null });
/** Ids that no list names stand for all others. */
const each = ['project', 'document', 'pro'].flatMap((type) => ['1', '2', 'a', 'A', 'z'].map((id) => `${type}:${id}`));
const covered = (list: ResourceLimit) => each.filter((one) => isWithinResources([one], list));

describe('Resources', () => {
  it.each([
    'project:42',
    'project:*',
    'a:b',
    'team.x_y-z:A',
    `p:${'i'.repeat(128)}`,
    'repo:owner/name',
    'user:a@b.c+d',
  ])('accept %s', (value) => {
    expect(isResource(value)).toBe(true);
    expect(parseResources([value])).toEqual([value]);
  });

  it.each([
    '',
    '*',
    'project',
    'project:',
    ':42',
    'Project:42',
    'project:4*',
    'project:**',
    'project:4 2',
    'project:a:b',
    'project:42\n',
    'project:ä',
    'project:\u0000',
    `p:${'i'.repeat(129)}`,
    `${'p'.repeat(65)}:1`,
    42,
    null,
    ['project:42'],
  ])('refuse %j', (value) => {
    expect(isResource(value)).toBe(false);
    expect(() => parseResources([value])).toThrow(expect.objectContaining({ code: 'invalid_resources' }));
  });

  it.each([
    ['a string', 'project:42'],
    ['an empty array', []],
    ['101 entries', Array.from({ length: 101 }, (_, index) => `project:${index}`)],
    ['more than 4,096 characters', Array.from({ length: 40 }, (_, index) => `project:${index}${'i'.repeat(100)}`)],
    ['a hole', new Array(1)],
  ])('refuse %s', (_what, given) => {
    expect(() => parseResources(given)).toThrow(expect.objectContaining({ code: 'invalid_resources' }));
  });

  it('stand for all when none are given, and lose repeated entries', () => {
    expect(parseResources(undefined)).toBeNull();
    expect(parseResources(null)).toBeNull();
    expect(parseResources(['project:a', 'project:A', 'project:a'])).toEqual(['project:a', 'project:A']);
    expect(isResourceList([])).toBe(true);
    expect(isResourceList(new Array(1))).toBe(false);
  });

  it('are compared by type and id, and their case counts', () => {
    expect(isWithinResources(['project:42'], ['project:*'])).toBe(true);
    expect(isWithinResources(['project:42'], ['pro:*', 'project:4', 'project:420'])).toBe(false);
    expect(isWithinResources(['project:ab'], ['project:AB'])).toBe(false);
    expect(isWithinResources(['project:*'], ['project:1', 'project:2'])).toBe(false);
    expect(isWithinResources(null, ['project:*'])).toBe(false);
    expect(isWithinResources([], [])).toBe(true);
  });

  it('have in common what both lists cover, and nothing else', () => {
    fc.assert(
      fc.property(limit, limit, (list, other) => {
        const common = commonResources(list, other);

        expect(covered(common)).toEqual(covered(list).filter((one) => covered(other).includes(one)));
        expect(isWithinResources(common, list) && isWithinResources(common, other)).toBe(true);
        expect(common === list).toBe(isWithinResources(list, other));
      }),
    );
  });

  it('are within a list if it covers all that they cover', () => {
    fc.assert(
      fc.property(limit, limit, (list, other) => {
        const isWithin = isWithinResources(list, other);

        if (isWithin) expect(covered(list).every((one) => covered(other).includes(one))).toBe(true);
        if (list !== null && other === null) expect(isWithin).toBe(true);
        if (list === null && other !== null) expect(isWithin).toBe(false);
      }),
    );
  });

  it('are granted within those of the maker', () => {
    fc.assert(
      fc.property(limit, limit, (requested, maker) => {
        if (requested === null) expect(grantResources(requested, maker)).toBe(maker);
        else if (isWithinResources(requested, maker)) expect(grantResources(requested, maker)).toBe(requested);
        else
          expect(() => grantResources(requested, maker)).toThrow(
            expect.objectContaining({ code: 'invalid_resources' }),
          );
      }),
    );
  });
});
