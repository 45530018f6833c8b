import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDecipheriv, hash, hkdfSync } from 'node:crypto';
import { seal, unseal } from '../../libs/sigra/src/common/sealing.js';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { refreshRows } from '../support/family-rows.js';

const TABLES = ['sigra_refresh_families', 'sigra_refresh_tokens', 'sigra_owners', 'sigra_audit_events', 'users'];

/** A value of a column, in every form that an attacker could use as a key. */
function readingsOf(value: unknown): Buffer[] {
  if (!Buffer.isBuffer(value)) return [Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))];
  return [value, ...(['hex', 'base64', 'base64url'] as const).map((encoding) => Buffer.from(value.toString(encoding)))];
}

/** Opens a seal like the library, but independently of how the library derives its key. */
function openWith(key: Buffer, sealed: Buffer): string | undefined {
  const derived = Buffer.from(hkdfSync('sha256', key, '', 'sigra refresh-token successor', 32));
  const decipher = createDecipheriv('aes-256-gcm', derived, sealed.subarray(0, 12), { authTagLength: 16 });
  decipher.setAuthTag(sealed.subarray(12, 28));
  const opened = decipher.update(sealed.subarray(28), undefined, 'utf8');
  try {
    return opened + decipher.final('utf8');
  } catch {
    return undefined;
  }
}

describe('an attacker with a copy of the database', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp({ reuseLeeway: 60 });
  });
  afterAll(() => test.close());

  const rotate = async () => {
    const first = await test.jwt.generateTokens(test.user, ['read:notes']);
    const second = await test.jwt.refresh(first.refreshToken);
    const [old] = await refreshRows(test.dataSource, familyIdOf(first));
    return { first, second, sealed: old!.sealed_successor! };
  };

  it('finds neither a refresh token nor an access token in it', async () => {
    const { first, second } = await rotate();

    const copy = (await Promise.all(TABLES.map((table) => test.dataSource.query(`SELECT t::text FROM ${table} t`))))
      .map((rows) => JSON.stringify(rows))
      .join();

    for (const { accessToken, refreshToken } of [first, second]) {
      expect(copy).not.toContain(accessToken);
      expect(copy).not.toContain(refreshToken);
      expect(copy).not.toContain(Buffer.from(refreshToken).toString('hex'));
      expect(copy).toContain(hash('sha256', refreshToken, 'hex'));
    }
  });

  it('cannot open a sealed successor with any value in it', async () => {
    const { first, second, sealed } = await rotate();
    const keys = new Map<string, Buffer>();
    for (const table of TABLES) {
      for (const row of await test.dataSource.query<object[]>(`SELECT * FROM ${table}`)) {
        for (const value of Object.values(row) as unknown[]) {
          for (const key of readingsOf(value)) keys.set(key.toString('hex'), key);
        }
      }
    }

    const opened = [...keys.values()].filter((key) => openWith(key, sealed) !== undefined);

    expect(keys.size).toBeGreaterThan(20);
    expect(opened).toEqual([]);
    // The attack itself works with the right key, which is not in the database.
    expect(openWith(Buffer.from(first.refreshToken), sealed)).toBe(second.refreshToken);
  });

  it('can open it only with the presented token', async () => {
    const { first, second, sealed } = await rotate();
    const other = await rotate();

    expect(unseal(sealed, first.refreshToken, 'refresh-token successor')).toBe(second.refreshToken);
    expect(() => unseal(sealed, second.refreshToken, 'refresh-token successor')).toThrow();
    expect(() => unseal(sealed, other.first.refreshToken, 'refresh-token successor')).toThrow();
  });

  it('cannot change a sealed successor', async () => {
    const { first, sealed } = await rotate();

    for (let index = 0; index < sealed.length; index++) {
      const changed = Buffer.from(sealed);
      changed[index]! ^= 1;
      expect(() => unseal(changed, first.refreshToken, 'refresh-token successor')).toThrow();
    }
    expect(() => unseal(sealed.subarray(0, -1), first.refreshToken, 'refresh-token successor')).toThrow();
    expect(() => unseal(Buffer.alloc(0), first.refreshToken, 'refresh-token successor')).toThrow();
  });

  it('cannot link two seals of the same successor', async () => {
    const { first, second } = await rotate();

    const [one, other] = [
      seal(second.refreshToken, first.refreshToken, 'refresh-token successor'),
      seal(second.refreshToken, first.refreshToken, 'refresh-token successor'),
    ];

    expect(one.subarray(28).equals(other.subarray(28))).toBe(false);
  });
});
