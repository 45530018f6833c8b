import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Principal, SigraAuthGuard } from 'nestjs-sigra';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';

/** Replaces the guard in the test of a host, to authenticate without a credential. */
@Injectable()
class ActingAsGuard implements CanActivate {
  principal: Principal | undefined;

  canActivate(context: ExecutionContext): boolean {
    const request: { sigra?: Principal } = context.switchToHttp().getRequest();
    if (this.principal) request.sigra = this.principal;
    return this.principal !== undefined;
  }
}

describe.each(ADAPTERS)('A global guard replaced in a test on %s', (adapter) => {
  const guard = new ActingAsGuard();
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({
      adapter,
      configure: (builder) => builder.overrideProvider(SigraAuthGuard).useValue(guard),
    });
  });
  afterAll(() => test.close());

  it('decides alone', async () => {
    const refused = await fetch(`${test.url}/notes/me`, { headers: { 'x-session-user': test.user.id } });
    guard.principal = { user: test.user, userId: test.user.id, method: 'session', scopes: ['*'] };
    const accepted = await fetch(`${test.url}/notes/me`);

    expect(refused.status).toBe(403);
    expect(await accepted.json()).toMatchObject({ userId: test.user.id, method: 'session' });
  });
});
