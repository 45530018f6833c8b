import { describe, expect, it } from '@jest/globals';
import { hashPassword, verifyPassword } from './password.js';

describe('passwords', () => {
  it('match their own hash only', async () => {
    const hash = await hashPassword('sigra-demo');

    expect(await verifyPassword('sigra-demo', hash)).toBe(true);
    expect(await verifyPassword('sigra-demo ', hash)).toBe(false);
    expect(await verifyPassword('', hash)).toBe(false);
  });

  it('are hashed with a new salt each time', async () => {
    expect(await hashPassword('same')).not.toBe(await hashPassword('same'));
    expect(await hashPassword('same')).toMatch(/^scrypt:15:[\w-]{22}:[\w-]{43}$/);
  });

  it('match a hash of a lower cost, and none of a higher cost', async () => {
    const hash = await hashPassword('sigra-demo', 4);

    expect(hash).toMatch(/^scrypt:4:/);
    expect(await verifyPassword('sigra-demo', hash)).toBe(true);
    expect(await verifyPassword('sigra-demi', hash)).toBe(false);
    expect(await verifyPassword('sigra-demo', hash.replace(':4:', ':5:'))).toBe(false);
    expect(await verifyPassword('sigra-demo', hash.replace(':4:', ':40:'))).toBe(false);
  });

  it.each([undefined, '', 'scrypt', 'scrypt::', 'scrypt:AAAA:AAAA', 'scrypt:15:AAAA:AAAA'])(
    'do not match the invalid hash %j',
    async (hash) => {
      expect(await verifyPassword('', hash)).toBe(false);
    },
  );

  it('take as long without a hash', async () => {
    const hash = await hashPassword('sigra-demo');
    const timed = async (stored: string | undefined) => {
      const began = process.cpuUsage();
      await verifyPassword('guess', stored);
      const { user, system } = process.cpuUsage(began);
      return user + system;
    };
    await timed(hash);

    const known = await timed(hash);
    const unknown = await timed(undefined);

    // CPU time, because elapsed time varies on a busy machine.
    expect(unknown).toBeGreaterThan(known / 3);
  });
});
