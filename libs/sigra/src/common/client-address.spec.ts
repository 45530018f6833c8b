import { describe, expect, it } from '@jest/globals';
import { SocketAddress } from 'node:net';
import { clientAddress } from './client-address.js';

describe('clientAddress', () => {
  it.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::00AB', '2001:db8:1:2::ab', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8::1', '2001:db8::/64'],
    ['2001:db8:0:1::', '2001:db8:0:1::', '2001:db8:0:1::/64'],
    ['::', '::', '::/64'],
    ['::1', '::1', '::/64'],
    ['1::', '1::', '1::/64'],
    ['0:0:1:2:0:0:0:3', '0:0:1:2::3', '0:0:1:2::/64'],
    ['0:0:1:2:0:0:4:3', '::1:2:0:0:4:3', '0:0:1:2::/64'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7', '1:0:2:3::/64'],
    ['1:2:3:10:0:0:5:6', '1:2:3:10::5:6', '1:2:3:10::/64'],
    ['10:0:0:1:0:0:0:0', '10:0:0:1::', '10:0:0:1::/64'],
    ['::ffff:0:192.0.2.1', '::ffff:0:c000:201', '::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201', '64:ff9b::/64'],
  ])('groups %s by its /64', (text, address, network) => {
    expect(clientAddress(text)).toEqual({ address, network });
  });

  it.each(['fe80::1%eth0', 'fe80::1%25', 'fe80:0:0:0:0:0:0:1%12'])('ignores the zone id of %s', (text) => {
    expect(clientAddress(text)).toEqual({ address: 'fe80::1', network: 'fe80::/64' });
  });

  it.each(['192.0.2.1', '::ffff:192.0.2.1', '::FFFF:c000:0201', '0:0:0:0:0:ffff:192.0.2.1', '::ffff:192.0.2.1%eth0'])(
    'counts %s as an IPv4 address',
    (text) => {
      expect(clientAddress(text)).toEqual({ address: '192.0.2.1', network: '192.0.2.1' });
    },
  );

  it.each(['', 'unknown', '192.0.2', '192.0.2.256', '1:2:3', ':::', '1::2::3', '[::1]', '::1/64', '%', '::1\n', 'ä:é'])(
    'returns %j, which is not an address, unchanged',
    (text) => {
      expect(clientAddress(text)).toEqual({ address: text, network: text });
    },
  );

  it('writes addresses as Node does', () => {
    for (let pattern = 0; pattern < 256; pattern++) {
      const groups = Array.from({ length: 8 }, (_, index) => ((pattern >> index) & 1 ? 0xa0 + index : 0));
      if (groups.slice(0, 6).every((group) => group === 0)) continue; // Node writes these as IPv4-compatible addresses.
      const text = groups.map((group) => group.toString(16).padStart(4, '0')).join(':');

      expect(clientAddress(text).address).toBe(new SocketAddress({ address: text, family: 'ipv6' }).address);
    }
  });
});
