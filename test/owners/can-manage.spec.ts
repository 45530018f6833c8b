import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type IssuedApiToken, ownerRef } from 'nestjs-sigra';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };
const ROUTES = [
  ['GET', ''],
  ['POST', ''],
  ['DELETE', ''],
  ['PATCH', '/:id'],
  ['DELETE', '/:id'],
  ['POST', '/:id/rotate'],
] as const;

describe.each(ADAPTERS)('canManage on %s', (adapter) => {
  let test: TestApp;
  let answer: () => unknown;
  let foreign: IssuedApiToken;

  beforeAll(async () => {
    test = await startTestApp({
      adapter,
      sigra: {
        lookupTimeout: 500,
        owners: { organization: { provider: { findByIds: (ids) => Promise.resolve(ids.map((id) => ({ id }))) } } },
        canManage: () => answer() as boolean,
        controllers: { owners: 'owners' },
      },
    });
    foreign = await test.tokens.create(ownerRef('organization', 'other'), REQUEST);
  });
  afterAll(() => test.close());

  const send = async (method: string, path: string, id: string) => {
    const body = ['POST', 'PATCH'].includes(method) ? JSON.stringify(path === '' ? REQUEST : {}) : undefined;
    const response = await fetch(`${test.url}/owners/organization/acme${path.replace(':id', id)}`, {
      method,
      headers: { 'x-session-user': test.user.id, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body }),
    });
    return response.status;
  };

  it.each<[string, () => unknown]>([
    ['false', () => false],
    ['undefined', () => undefined],
    ['a string', () => 'yes'],
    ['a number', () => 1],
    ['an object', () => ({})],
    ['a promise of a string', () => Promise.resolve('true')],
    ['a promise of false', () => Promise.resolve(false)],
  ])('admits no one with %s', async (_kind, given) => {
    answer = given;

    for (const [method, path] of ROUTES) {
      expect([method, path, await send(method, path, foreign.token.id)]).toEqual([method, path, 404]);
    }
    expect((await test.tokens.listActive(ownerRef('organization', 'acme'))).tokens).toEqual([]);
  });

  it('is unavailable, and admits no one, when the answer is late', async () => {
    answer = () => new Promise(() => undefined);

    expect(await send('GET', '', '')).toBe(503);
  });

  it('admits to the tokens of its owner only', async () => {
    answer = () => Promise.resolve(true);

    for (const [method, path] of ROUTES.filter(([, path]) => path !== '')) {
      expect([method, path, await send(method, path, foreign.token.id)]).toEqual([method, path, 404]);
    }
    expect(await send('POST', '', '')).toBe(201);
    expect(await test.tokens.verify(foreign.rawToken, {}, { owners: ['organization'] })).toMatchObject(REQUEST);
  });
});
