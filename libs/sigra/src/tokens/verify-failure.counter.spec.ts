import { beforeEach, describe, expect, it } from '@jest/globals';
import type { NewAuditEvent } from '../audit/audit-event.js';
import type { ApiToken } from '../persistence/tables.js';
import { VerifyFailureCounter } from './verify-failure.counter.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const ADDRESS = { ipAddress: '192.0.2.1' };

const tokenOf = (id: string, ownerId = 'ada') => ({ id, ownerType: 'user', ownerId }) as ApiToken;
const TOKEN = tokenOf('token');
/** The nth of 65,536 IPv4 addresses. */
const host = (n: number) => ({ ipAddress: `10.0.${n >> 8}.${n & 255}` });
const sumOf = (rows: readonly NewAuditEvent[]) =>
  rows.reduce((sum, { metadata }) => sum + (metadata!.count as number), 0);

describe('VerifyFailureCounter', () => {
  let counter: VerifyFailureCounter;
  let now: number;

  const refuse = (times = 1, token = TOKEN, caller: object = ADDRESS, reason = 'token_revoked') => {
    for (let each = 0; each < times; each++) counter.countKnown(token, reason, caller, new Date(now));
  };
  const guess = (caller: object = ADDRESS) => counter.countUnknown(caller, new Date(now));
  const due = () => counter.takeDue(new Date(now));
  const countsOf = (rows: readonly NewAuditEvent[]) => rows.map(({ metadata }) => metadata!.count);

  beforeEach(() => {
    counter = new VerifyFailureCounter('user');
    now = Date.parse('2030-01-01T00:00:00Z');
  });

  describe('a row', () => {
    it('describes one refusal', () => {
      refuse(1, TOKEN, { ...ADDRESS, userAgent: 'curl/8' });

      expect(due()).toEqual([
        {
          action: 'api.token_verify.failure',
          outcome: 'failure',
          actorType: 'anonymous',
          targetId: 'token',
          targetType: 'api_token',
          metadata: {
            reason: 'token_revoked',
            userId: 'ada',
            count: 1,
            firstAt: new Date(now),
            lastAt: new Date(now),
          },
          ipAddress: '192.0.2.1',
          userAgent: 'curl/8',
        },
      ]);
    });

    it('counts several refusals, with the times of the first and the last, and the user agent of the first', () => {
      const firstAt = new Date(now);
      refuse(1, TOKEN, { ...ADDRESS, userAgent: 'curl/8' });
      now += SECOND;
      refuse(2, TOKEN, { ...ADDRESS, userAgent: 'wget' });

      const lastAt = new Date(now);
      expect(due()).toMatchObject([{ metadata: { count: 3, firstAt, lastAt }, userAgent: 'curl/8' }]);
    });

    it('is separate for each token, reason and address', () => {
      refuse(1);
      refuse(2, tokenOf('other'));
      refuse(3, TOKEN, host(0));
      refuse(4, TOKEN, ADDRESS, 'user_inactive');
      refuse(5, TOKEN, {});
      guess();
      guess({});

      const rows = due();
      expect(countsOf(rows).sort()).toEqual([1, 1, 1, 2, 3, 4, 5]);
      expect(rows.filter(({ ipAddress }) => ipAddress === null)).toHaveLength(2);
    });

    it('has the address of an IPv6 client, and the /64 of several', () => {
      refuse(2, TOKEN, { ipAddress: '2001:db8:1:2::1' });
      refuse(1, tokenOf('other'), { ipAddress: '2001:db8:1:2::1' });
      refuse(1, tokenOf('other'), { ipAddress: '2001:db8:1:2::2' });
      refuse(1, tokenOf('other'), { ipAddress: '2001:db8:1:2::1' });

      expect(due()).toMatchObject([
        { ipAddress: '2001:db8:1:2::1', metadata: { count: 2 } },
        { ipAddress: '2001:db8:1:2::/64', metadata: { count: 3 } },
      ]);
    });

    it('has only what its column can hold of a forwarded address and of a user agent', () => {
      refuse(2, TOKEN, { ipAddress: `\0${'x'.repeat(100)}`, userAgent: 'y'.repeat(20_000) });

      const [row] = due();
      expect(row).toMatchObject({ ipAddress: 'x'.repeat(63), metadata: { count: 2 } });
      expect(row!.userAgent).toHaveLength(1024);
    });

    it.each(['', 'token_revoked', 'others'])('takes %j for an address, not for further addresses', (ipAddress) => {
      for (let n = 0; n < 10; n++) refuse(1, TOKEN, host(n));
      refuse(1, tokenOf('other'), { ipAddress });

      const rows = due();
      expect(rows.filter(({ metadata }) => metadata!.addresses === 'other')).toHaveLength(1);
      expect(rows.at(-1)).toMatchObject({ targetId: 'other', ipAddress: ipAddress || null });
    });
  });

  describe('the time of a row', () => {
    it('is the next flush for the first one, and a minute later for the second', () => {
      refuse();
      const first = due();
      refuse(7);
      now += MINUTE - 1;
      const early = due();
      now += 1;
      const second = due();

      expect([first, early, second].map(countsOf)).toEqual([[1], [], [7]]);
    });

    it('comes after twice the wait each time, up to 15 minutes, and no refusal is left out', () => {
      const times: number[] = [];
      let written = 0;
      const start = now;
      for (; now < start + 60 * MINUTE; now += 2 * SECOND) {
        refuse(3);
        const rows = due();
        written += sumOf(rows);
        if (rows.length > 0) times.push((now - start) / MINUTE);
      }

      expect(times).toEqual([0, 1, 3, 7, 15, 30, 45]);
      expect(written + sumOf(counter.takeAll())).toBe(3 * 30 * 60);
    });

    it('is not put off for a key that is refused from a new address or for a new reason', () => {
      refuse();
      due();
      refuse();
      refuse(1, TOKEN, host(1));
      refuse(1, TOKEN, ADDRESS, 'user_inactive');

      expect(due()).toHaveLength(2);
    });

    it('is not put off by a clock that was set back', () => {
      refuse();
      due();
      now -= 365 * 24 * 60 * MINUTE;
      refuse();

      expect(countsOf(due())).toEqual([1]);
    });

    it('is now for takeAll(), which forgets all keys', () => {
      refuse();
      due();
      refuse(5);
      guess();

      expect(countsOf(counter.takeAll())).toEqual([1, 5]);
      expect(counter.isEmpty).toBe(true);
      expect(counter.takeAll()).toEqual([]);
    });
  });

  describe('a key without refusals', () => {
    it('is forgotten 15 minutes after its row', () => {
      refuse();
      guess();
      due();
      now += 15 * MINUTE - 1;
      due();
      const before = counter.isEmpty;
      now += 1;
      due();

      expect([before, counter.isEmpty]).toEqual([false, true]);
    });

    it('gives its place to others', () => {
      for (let n = 0; n < 100; n++) refuse(1, TOKEN, host(n));
      due();
      now += 15 * MINUTE;
      due();
      refuse(1, TOKEN, host(200));

      expect(due()).toMatchObject([{ ipAddress: '10.0.0.200', metadata: { count: 1 } }]);
    });
  });

  describe('an attack', () => {
    it('with one token from many addresses gets 8 addresses and one row for all others', () => {
      for (let n = 0; n < 5000; n++) refuse(1, TOKEN, host(n));

      const rows = due();
      expect(rows).toHaveLength(9);
      expect(rows.at(-1)).toMatchObject({ ipAddress: null, userAgent: null });
      expect(rows.at(-1)!.metadata).toMatchObject({ addresses: 'other', count: 4992 });
      expect(sumOf(rows)).toBe(5000);
    });

    it('with one token from many addresses over an hour gets no more addresses', () => {
      let rows = 0;
      const end = now + 60 * MINUTE;
      for (let n = 0; now < end; now += 2 * SECOND, n++) {
        refuse(1, TOKEN, host(n));
        rows += due().length;
      }

      expect(rows).toBeLessThan(9 * 7);
    });

    it('with unknown tokens from many addresses gets 100 addresses and one row for all others', () => {
      for (let n = 0; n < 5000; n++) guess(host(n));

      const rows = due();
      expect(rows).toHaveLength(101);
      expect(rows.at(-1)!.metadata).toMatchObject({ reason: 'unknown_token', addresses: 'other', count: 4900 });
      expect(sumOf(rows)).toBe(5000);
    });

    it('with many tokens from many addresses hides no first refusal of another token', () => {
      for (let owner = 0; owner < 19; owner++) {
        for (let n = 0; n < 1000; n++) {
          for (let each = 0; each < 10; each++) refuse(1, tokenOf(`${owner} ${n}`, `${owner}`), host(each * 1000 + n));
        }
      }
      for (let n = 0; n < 5000; n++) guess(host(n));
      refuse(1, tokenOf('victim', 'grace'), ADDRESS);
      refuse(84, tokenOf('victim', 'grace'), host(1));

      const rows = due();
      const victims = rows.filter(({ targetId }) => targetId === 'victim');
      expect(victims).toMatchObject([
        { ipAddress: '192.0.2.1', metadata: { count: 1 } },
        { ipAddress: null, metadata: { count: 84, addresses: 'other' } },
      ]);
      expect(rows.length).toBeLessThan(10_000 + 2 * 19_000);
      expect(sumOf(rows)).toBe(190_000 + 5000 + 85);
    });

    it('with the tokens of one owner gets 1000 tokens, and takes no place of another owner', () => {
      for (let n = 0; n < 30_000; n++) refuse(1, tokenOf(`${n}`));
      refuse(1, tokenOf('victim', 'grace'));

      const rows = due();
      expect(rows).toHaveLength(1002);
      expect(rows.at(-1)).toMatchObject({ targetId: 'victim', metadata: { count: 1 } });
      expect(rows.filter(({ targetId }) => targetId === null)).toMatchObject([
        { metadata: { reason: 'token_revoked', userId: 'ada', tokens: 'other', count: 29_000 } },
      ]);
    });

    it('with too many tokens of many owners is counted in one row', () => {
      for (let n = 0; n < 20_500; n++) refuse(1, tokenOf(`${n}`, `${n % 100}`), host(n));

      const rows = due();
      const [left] = rows.filter(({ targetId }) => targetId === null);
      expect(rows).toHaveLength(20_001);
      expect(left).toMatchObject({ ipAddress: null, metadata: { reason: 'not_recorded', count: 500 } });
    });

    it('gives back the places of its owner when its tokens are forgotten', () => {
      for (let n = 0; n < 1500; n++) refuse(1, tokenOf(`${n}`));
      due();
      now += 15 * MINUTE;
      due();
      refuse(1, tokenOf('again'));

      expect(due()).toMatchObject([{ targetId: 'again' }]);
    });
  });
});
