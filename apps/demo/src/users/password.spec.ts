import { describe, expect, it } from '@jest/globals';
import { hashPassword, verifyPassword } from './password.js';

describe('passwords', () => {
  it('are known again, and told from others', async () => {
    const hash = await hashPassword('sigra-demo');

    expect(await verifyPassword('sigra-demo', hash)).toBe(true);
    expect(await verifyPassword('sigra-demo ', hash)).toBe(false);
    expect(await verifyPassword('', hash)).toBe(false);
  });

  it('are hashed with a salt of their own', async () => {
    expect(await hashPassword('same')).not.toBe(await hashPassword('same'));
    expect(await hashPassword('same')).toMatch(/^scrypt:[\w-]{22}:[\w-]{43}$/);
  });

  it.each([undefined, '', 'scrypt', 'scrypt::', 'scrypt:AAAA:AAAA'])(
    'match nothing against the hash %j',
    async (hash) => {
      expect(await verifyPassword('', hash)).toBe(false);
    },
  );

  it('take as long for a user who does not exist', async () => {
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

    // CPU time and not time, which a busy machine would blur.
    expect(unknown).toBeGreaterThan(known / 3);
  });
});
