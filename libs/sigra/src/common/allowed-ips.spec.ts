import { describe, expect, it } from '@jest/globals';
import { BlockList, isIPv4 } from 'node:net';
import { admitsIp, commonIps, grantIps, isWithinIps, parseAllowedIps } from './allowed-ips.js';
import { SigraError } from './sigra-error.js';

const codeOf = (run: () => unknown) => {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof SigraError ? error.code : error;
  }
};

describe('parseAllowedIps', () => {
  it.each([[undefined], [null]])('reads %s as all addresses', (given) => {
    expect(parseAllowedIps(given)).toBeNull();
  });

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1/32', '192.0.2.1'],
    ['192.0.2.0/24', '192.0.2.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.0/120', '192.0.2.0/24'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
    ['2001:0DB8::0001', '2001:db8::1'],
    ['2001:db8::1/128', '2001:db8::1'],
    ['2001:DB8:0::/32', '2001:db8::/32'],
    ['::/0', '::/0'],
  ])('writes %s as %s', (given, written) => {
    expect(parseAllowedIps([given])).toEqual([written]);
    expect(parseAllowedIps([written])).toEqual([written]);
  });

  it('removes entries that are repeated in another form', () => {
    const given = ['192.0.2.1', '2001:db8::/32', '192.0.2.1/32', '::ffff:192.0.2.1', '2001:DB8::/32'];

    expect(parseAllowedIps(given)).toEqual(['192.0.2.1', '2001:db8::/32']);
  });

  it('accepts 50 entries', () => {
    const entries = Array.from({ length: 50 }, (_, index) => `192.0.2.${index}`);

    expect(parseAllowedIps(entries)).toEqual(entries);
    expect(codeOf(() => parseAllowedIps([...entries, '192.0.2.50']))).toBe('invalid_allowed_ips');
  });

  it.each<unknown>([
    '192.0.2.1',
    5,
    {},
    [],
    [''],
    [5],
    [null],
    [['192.0.2.1']],
    ['192.0.2'],
    ['192.0.2.256'],
    ['192.0.2.01'],
    ['192.0.2.1 '],
    ['192.0.2.1:80'],
    ['192.0.2.0/33'],
    ['192.0.2.0/-1'],
    ['192.0.2.0/024'],
    ['192.0.2.0/'],
    ['192.0.2.0/24/24'],
    ['192.0.2.0/255.255.255.0'],
    ['10.0.0.5/8'],
    ['192.0.2.1/0'],
    ['2001:db8::1/64'],
    ['2001:db8::/129'],
    ['[2001:db8::1]'],
    ['fe80::1%eth0'],
    ['fe80::%eth0/64'],
    ['::ffff:192.0.2.0/95'],
    ['::ffff:192.0.2.0/24'],
    ['::ffff:192.0.2.1/120'],
    ['localhost'],
    ['*'],
    ['9'.repeat(100_000)],
  ])('refuses %j', (given) => {
    expect(codeOf(() => parseAllowedIps(given))).toBe('invalid_allowed_ips');
  });
});

describe('admitsIp', () => {
  it('admits every address without a list, also one that is not known', () => {
    expect(admitsIp(null, '192.0.2.1')).toBe(true);
    expect(admitsIp(null, undefined)).toBe(true);
  });

  it.each([[undefined], [''], ['unknown'], ['192.0.2.1:80'], ['0.0.0.0/0']])(
    'refuses %j, which is not an address',
    (ip) => {
      expect(admitsIp(['0.0.0.0/0', '::/0'], ip)).toBe(false);
    },
  );

  it('refuses every address with an empty list', () => {
    expect(admitsIp([], '192.0.2.1')).toBe(false);
  });

  it.each(['192.0.2.7', '::ffff:192.0.2.7', '::FFFF:c000:0207', '::ffff:192.0.2.7%eth0'])(
    'finds %s in an IPv4 range',
    (ip) => {
      expect(admitsIp(['198.51.100.0/24', '192.0.2.0/24'], ip)).toBe(true);
      expect(admitsIp(['192.0.2.0/30'], ip)).toBe(false);
    },
  );

  it('ignores the zone id of an address', () => {
    expect(admitsIp(['fe80::/10'], 'fe80::1%12')).toBe(true);
  });

  it('finds no IPv4 address in an IPv6 range, and no IPv6 address in an IPv4 range', () => {
    expect(admitsIp(['::/0'], '192.0.2.1')).toBe(false);
    expect(admitsIp(['0.0.0.0/0'], '2001:db8::1')).toBe(false);
  });

  it('decides as Node does, for every prefix length', () => {
    const addresses = [
      '10.170.85.204',
      '10.170.85.205',
      '172.16.0.1',
      '2001:db8:aaaa:5555::cc',
      '2001:db9::',
      'fe80::1',
    ];
    const wrong: string[] = [];
    for (const [base, bits] of [['10.170.85.204', 32] as const, ['2001:db8:aaaa:5555::cc', 128] as const]) {
      for (let length = 0; length <= bits; length++) {
        const family = isIPv4(base) ? 'ipv4' : 'ipv6';
        const list = new BlockList();
        list.addSubnet(base, length, family);
        // Node clears the bits behind the prefix, which `parseAllowedIps` refuses.
        const first = firstOf(base, length);
        const [entry = ''] = parseAllowedIps([`${first}/${length}`]) ?? [];
        for (const address of addresses) {
          const isInFamily = isIPv4(address) === isIPv4(base);
          const expected = isInFamily && list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
          if (admitsIp([entry], address) !== expected) wrong.push(`${address} in ${entry}`);
        }
      }
    }

    expect(wrong).toEqual([]);
  });

  it('keeps deciding for more entries than it remembers', () => {
    const wrong: string[] = [];
    for (let round = 0; round < 2; round++) {
      for (let index = 0; index < 3000; index++) {
        const address = `10.0.${index >> 8}.${index & 255}`;
        if (!admitsIp([address], address) || admitsIp([address], '10.1.0.0')) wrong.push(address);
      }
    }

    expect(wrong).toEqual([]);
  });
});

/** The first address of a range. */
function firstOf(address: string, length: number): string {
  const isV4 = isIPv4(address);
  const width = isV4 ? 8 : 16;
  const groups = isV4 ? address.split('.').map(Number) : [0x2001, 0xdb8, 0xaaaa, 0x5555, 0, 0, 0, 0xcc];
  const kept = groups.map((group, index) => {
    const bits = Math.min(Math.max(length - index * width, 0), width);
    return group & ~((1 << (width - bits)) - 1);
  });
  return isV4 ? kept.join('.') : kept.map((group) => group.toString(16)).join(':');
}

describe('lists of what a credential makes', () => {
  const OFFICE = ['192.0.2.0/24', '2001:db8::/32'];

  it.each<[readonly string[] | null, readonly string[] | null, boolean]>([
    [null, null, true],
    [OFFICE, null, true],
    [null, OFFICE, false],
    [['192.0.2.7', '2001:db8:1::/48'], OFFICE, true],
    [OFFICE, OFFICE, true],
    [['192.0.2.0/23'], OFFICE, false],
    [['192.0.2.7', '198.51.100.1'], OFFICE, false],
    [[], OFFICE, true],
    [['192.0.2.7'], [], false],
  ])('knows whether %j is within %j', (list, limit, expected) => {
    expect(isWithinIps(list, limit)).toBe(expected);
    expect(codeOf(() => grantIps(list, limit))).toBe(expected || list === null ? undefined : 'invalid_allowed_ips');
  });

  it('gives the list of the maker where none is requested', () => {
    expect(grantIps(null, OFFICE)).toEqual(OFFICE);
    expect(grantIps(null, null)).toBeNull();
  });

  it.each<[readonly string[] | null, readonly string[] | null, readonly string[] | null]>([
    [null, OFFICE, OFFICE],
    [
      ['10.0.0.0/8', '192.0.2.7'],
      ['10.1.0.0/16', '10.2.0.0/16', '192.0.2.0/24'],
      ['10.1.0.0/16', '10.2.0.0/16', '192.0.2.7'],
    ],
    [['10.0.0.0/8', '10.1.0.0/16'], ['10.1.2.0/24'], ['10.1.2.0/24']],
    [['10.0.0.0/8'], ['192.0.2.1'], []],
    [['10.0.0.0/8'], [], []],
  ])('finds what %j and %j have in common', (list, limit, common) => {
    expect(commonIps(list, limit)).toEqual(common);
  });

  it('returns a list that loses nothing itself', () => {
    const list = ['192.0.2.7'];

    expect(commonIps(list, OFFICE)).toBe(list);
    expect(commonIps(list, null)).toBe(list);
  });
});
