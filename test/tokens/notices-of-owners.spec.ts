import { afterEach, describe, expect, it } from '@jest/globals';
import { type NoticedApiToken, ownerRef, type TokenNotice, type TokenNoticeOptions } from 'nestjs-sigra';
import { TokenNoticeSender } from '../../libs/sigra/src/maintenance/token-notice.sender.js';
import { SIGRA_OPTIONS, startTestApp, type TestApp, type TestAppOptions, type User } from '../support/test-app.js';

const { scopes } = SIGRA_OPTIONS.apiTokens;
const REQUEST = { name: 'CI', scopes: ['read:notes'] };

interface Robot {
  readonly id: string;
  readonly isOff: boolean;
}

describe('Notices', () => {
  const apps: TestApp[] = [];
  const told: (readonly [NoticedApiToken, TokenNotice<User>])[] = [];
  const off = new Set<string>();
  const robots = {
    findByIds: (ids: readonly string[]) => Promise.resolve(ids.map((id) => ({ id, isOff: off.has(id) }))),
  };
  const notify: TokenNoticeOptions<User>['notify'] = (token, notice) => {
    told.push([token, notice]);
  };

  afterEach(async () => {
    told.length = 0;
    off.clear();
    for (const app of apps.splice(0).reverse()) await app.close();
  });

  const start = async (apiTokens: object, options: TestAppOptions = {}) => {
    const test = await startTestApp({
      ...options,
      sigra: {
        apiTokens: { scopes, ...apiTokens },
        owners: { robot: { provider: robots, isActive: (robot) => !(robot as Robot).isOff } },
      },
    });
    apps.push(test);
    return test;
  };
  const send = (test: TestApp) => test.get(TokenNoticeSender).send();
  const pass = (test: TestApp, days: number) => test.clock.advance({ milliseconds: days * 86_400_000 });
  const daysTold = () => told.map(([, { days }]) => days);

  it('go to the owner of each token, when owners of two types have the same id', async () => {
    const test = await start({ onExpiring: { days: [7], notify }, onUnused: { days: [1], notify } });
    const robot = ownerRef('robot', test.user.id);
    const expiresAt = new Date(test.clock.now().getTime() + 6 * 86_400_000);
    const ofUser = await test.tokens.create(test.user, { ...REQUEST, expiresAt });
    const ofRobot = await test.tokens.create(robot, { ...REQUEST, expiresAt });

    await send(test);
    await send(test);
    const expiring = told.splice(0);
    pass(test, 2);
    await send(test);

    for (const notices of [expiring, told]) {
      const of = (id: string) => notices.filter(([token]) => token.id === id).map(([, notice]) => notice);
      expect(notices).toHaveLength(2);
      expect(of(ofUser.token.id)).toMatchObject([
        { user: { email: test.user.email }, owner: { type: 'user', id: test.user.id } },
      ]);
      const [ofRobotNotice] = of(ofRobot.token.id);
      expect(ofRobotNotice).toMatchObject({ user: undefined, owner: { type: 'robot', id: test.user.id } });
      expect(ofRobotNotice?.owner.entity).toEqual({ id: test.user.id, isOff: false });
      expect(notices.map(([token]) => token.ownerType).sort()).toEqual(['robot', 'user']);
    }
  });

  it('wait for an owner of another type that is not active, and not for the user with its id', async () => {
    const test = await start({ onUnused: { days: [1], notify } });
    await test.tokens.create(ownerRef('robot', test.user.id), REQUEST);
    off.add(test.user.id);
    pass(test, 2);

    await send(test);
    const before = daysTold();
    off.clear();
    test.clock.advance({ minutes: 30 });
    await send(test);

    expect([before, daysTold()]).toEqual([[], [1]]);
  });

  it('end with the epoch of the owner, of one type only', async () => {
    const test = await start({ onUnused: { days: [1], notify } });
    await test.tokens.create(test.user, REQUEST);
    await test.tokens.create(ownerRef('robot', test.user.id), REQUEST);
    await test.tokens.revokeAll(ownerRef('robot', test.user.id));
    pass(test, 2);

    await send(test);

    expect(told.map(([, { owner }]) => owner.type)).toEqual(['user']);
  });

  it('come before the end that enforceOnExisting gives an earlier token', async () => {
    const before = await start({});
    const { token } = await before.tokens.create(before.user, REQUEST);
    const expiresAt = new Date(before.clock.now().getTime() + 100 * 86_400_000);
    const { token: other } = await before.tokens.create(before.user, { ...REQUEST, expiresAt });
    const test = await start(
      { maxTtl: 10 * 86_400, enforceOnExisting: true, onExpiring: { days: [7, 1], notify } },
      { databaseUrl: before.databaseUrl, clock: before.clock },
    );

    for (const days of [2, 1.5, 1, 5, 0.4]) {
      pass(test, days);
      await send(test);
    }

    expect(daysTold()).toEqual([7, 7, 1, 1]);
    expect(new Set(told.map(([{ id }]) => id))).toEqual(new Set([token.id, other.id]));
  });

  it('do not come before the end by idleTtl, which each use moves', async () => {
    const test = await start({ idleTtl: 10 * 86_400, onExpiring: { days: [7], notify } });
    await test.tokens.create(test.user, REQUEST);
    pass(test, 9);

    await send(test);

    expect(told).toEqual([]);
  });
});
