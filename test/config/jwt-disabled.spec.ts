import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type SigraJwtService as Service, SigraJwtService } from 'nestjs-sigra';
import { answerOf, INVALID_TOKEN } from '../support/answers.js';
import { signWithJose, secretKey, standardClaims } from '../support/jwt-forge.js';
import { reasonOf } from '../support/refusal.js';
import { auditActions } from '../support/audit-rows.js';
import { QueryLog } from '../support/query-log.js';
import { ADAPTERS, startTestApp, type TestApp, type User } from '../support/test-app.js';

const METHODS: readonly { method: keyof Service; call(jwt: Service, user: User): Promise<unknown> }[] = [
  { method: 'generateTokens', call: (jwt, user) => jwt.generateTokens(user, ['read:notes']) },
  { method: 'verifyAccess', call: (jwt) => jwt.verifyAccess('eyJhbGciOiJIUzI1NiJ9.e30.AAAA') },
  { method: 'refresh', call: (jwt) => jwt.refresh('sigra_rt_x') },
  { method: 'revokeRefresh', call: (jwt) => jwt.revokeRefresh('sigra_rt_x') },
  { method: 'revokeFamily', call: (jwt, user) => jwt.revokeFamily(user, '018f0000-0000-7000-8000-000000000000') },
  { method: 'lockOutFamily', call: (jwt, user) => jwt.lockOutFamily(user, '018f0000-0000-7000-8000-000000000000') },
  { method: 'revokeAllRefresh', call: (jwt, user) => jwt.revokeAllRefresh(user) },
  { method: 'signOutEverywhere', call: (jwt, user) => jwt.signOutEverywhere(user) },
  { method: 'listFamilies', call: (jwt, user) => jwt.listFamilies(user) },
];

describe.each([{ jwt: undefined }, { jwt: { enabled: false, issuer: 'https://issuer.example', secret: 'short' } }])(
  'An application with the options $jwt',
  ({ jwt }) => {
    let test: TestApp;

    beforeAll(async () => {
      test = await startTestApp({ sigra: { jwt } });
    });
    afterAll(() => test.close());

    it('covers every method of the service', () => {
      const methods = Object.getOwnPropertyNames(SigraJwtService.prototype).filter(
        (name) => !['constructor', 'enabled'].includes(name),
      );

      expect(METHODS.map(({ method }) => method).sort()).toEqual(methods.sort());
    });

    it.each(METHODS)('rejects $method with jwt_disabled and sends no query', async ({ call }) => {
      const queries = QueryLog.of(test.dataSource);

      const { code } = await reasonOf(call(test.get(SigraJwtService), test.user));

      expect(code).toBe('jwt_disabled');
      expect(queries.queries).toEqual([]);
      expect(await auditActions(test.dataSource)).toEqual([]);
    });

    it('does not list the scope for introspection', () => {
      expect(test.tokens.listScopes()).not.toContain('oauth:introspect');
    });
  },
);

describe.each(ADAPTERS)('A JWT when JWTs are not enabled, on %s', (adapter) => {
  it('is refused like every invalid credential', async () => {
    const test = await startTestApp({ adapter });
    const { jwt } = await signWithJose(secretKey('k'), standardClaims(test.user.id, test.clock.now()));

    const answer = await answerOf(await fetch(`${test.url}/notes/me`, { headers: { authorization: `Bearer ${jwt}` } }));
    await test.close();

    expect(answer).toEqual(INVALID_TOKEN);
  });
});
