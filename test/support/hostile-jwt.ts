import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SigraJwtService } from 'nestjs-sigra';
import { answerOf, INVALID_TOKEN } from './answers.js';
import { ADAPTERS, startTestApp, type TestApp } from './test-app.js';
import { ecKey, type ForgeKey, type GoodToken, rsaKey, secretKey, signWithJose, standardClaims } from './jwt-forge.js';
import { reasonOf } from './refusal.js';

/** Keys of the application that hostile tokens are sent to. The first one is its own. */
export const KEYS = { rsa: rsaKey('rsa-1'), ec: ecKey('ec-1'), secret: secretKey('secret-1') };

/** One defect of a token, and the error of the service. */
export interface HostileToken {
  readonly what: string;
  readonly reason: string;
  /** @default 'invalid_token' */
  readonly code?: 'token_expired';
  /** The key that signs the valid token. @default KEYS.rsa */
  readonly key?: ForgeKey;
  forge(good: GoodToken): string;
}

export const HOSTILE_APP = {
  sigra: {
    jwt: {
      enabled: true,
      issuer: 'https://issuer.example',
      audience: 'api',
      clockTolerance: 0,
      keys: [{ ...KEYS.rsa.option, sign: true }, KEYS.ec.option, KEYS.secret.option],
    },
  },
};

/**
 * Sends every token to a real server, together with the valid token that it was made from. The valid token is accepted.
 * The other is refused with the answer to all invalid tokens, and for the expected reason.
 */
export function refusesAll(group: string, tokens: readonly HostileToken[]): void {
  describe.each(ADAPTERS)(`${group} on %s`, (adapter) => {
    let test: TestApp;

    beforeAll(async () => {
      test = await startTestApp({ adapter, ...HOSTILE_APP });
    });
    afterAll(() => test.close());

    const present = (jwt: string) => fetch(`${test.url}/notes/me`, { headers: { authorization: `Bearer ${jwt}` } });

    it.each(tokens)('is refused: $what', async ({ reason, code = 'invalid_token', key = KEYS.rsa, forge }) => {
      const good = await signWithJose(key, standardClaims(test.user.id, test.clock.now()));
      const hostile = forge(good);

      const accepted = await present(good.jwt);
      const refused = await answerOf(await present(hostile));
      const refusal = await reasonOf(test.get(SigraJwtService).verifyAccess(hostile));

      expect(accepted.status).toBe(200);
      expect(refused).toEqual(INVALID_TOKEN);
      expect(refusal).toEqual({ code, message: reason });
    });
  });
}
