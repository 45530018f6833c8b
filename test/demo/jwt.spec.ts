import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { TokenResponse } from 'nestjs-sigra';
import { ADAPTERS } from '../support/test-app.js';
import { jsonOf, Visitor } from '../support/visitor.js';
import { DEMO_TIMEOUT, type Demo, DemoProcess, startDemo } from '../support/demo.js';

jest.setTimeout(DEMO_TIMEOUT);

describe.each(ADAPTERS)('JWTs in the demo on %s', (adapter) => {
  let demo: Demo;
  let ada: Visitor;

  const issueJwt = (visitor = ada) =>
    jsonOf<TokenResponse>(
      visitor.send('/api/jwt', {
        method: 'POST',
        body: JSON.stringify({ scopes: ['read:projects'] }),
        headers: { 'content-type': 'application/json', 'user-agent': 'Sync for phones' },
      }),
    );
  const statusWith = async (accessToken: string, url = demo.url) => {
    const answer = await fetch(`${url}/api/projects`, { headers: { authorization: `Bearer ${accessToken}` } });
    return answer.status;
  };
  const refresh = (refreshToken: string) =>
    fetch(`${demo.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken }),
    });

  beforeAll(async () => {
    demo = await startDemo({ HTTP_ADAPTER: adapter });
    ada = await new Visitor(demo.url).signIn();
  });
  afterAll(() => demo.stop());

  it('are issued to a session, accepted, and refreshed once', async () => {
    const pair = await issueJwt();

    const before = await statusWith(pair.access_token);
    const renewed = await refresh(pair.refresh_token);
    const again = await refresh(pair.refresh_token);

    expect(before).toBe(200);
    expect(renewed.status).toBe(200);
    expect(again.status).toBe(400);
    expect(await again.json()).toMatchObject({ error: 'invalid_grant' });
  });

  it('are not issued to an API token', async () => {
    const answer = await fetch(`${demo.url}/api/jwt`, {
      method: 'POST',
      body: JSON.stringify({ scopes: ['read:projects'] }),
      headers: { authorization: `Bearer ${demo.token}`, 'content-type': 'application/json' },
    });

    expect(answer.status).toBe(401);
  });

  it('are listed as devices on the settings page, and signed out one by one', async () => {
    const pair = await issueJwt();
    const page = await ada.html('/settings/tokens');
    const action = /action="(\/settings\/devices\/[^"]+\/sign-out)"/.exec(page)![1]!;

    const answer = await ada.post(action);
    const after = await refresh(pair.refresh_token);

    expect(page).toContain('Sync for phones');
    expect(answer.status).toBe(303);
    expect(await ada.html('/settings/tokens')).toContain('The device is signed out');
    expect(after.status).toBe(400);
  });

  it('are all revoked at once after a confirmation, while API tokens still work', async () => {
    const pair = await issueJwt();
    const question = await ada.html('/settings/devices/sign-out-everywhere');

    await ada.post('/settings/devices/sign-out-everywhere');

    expect(question).toContain('Sign out everywhere?');
    expect(await statusWith(pair.access_token)).toBe(401);
    expect(await statusWith(demo.token)).toBe(200);
    expect(await ada.html('/settings/tokens')).toContain('You have no signed-in devices.');
  });

  it('cannot be signed out by another user', async () => {
    const pair = await issueJwt();
    const page = await ada.html('/settings/tokens');
    const action = /action="(\/settings\/devices\/[^"]+\/sign-out)"/.exec(page)![1]!;
    const grace = await new Visitor(demo.url).signIn('grace@example.com');

    await grace.post(action);

    expect((await refresh(pair.refresh_token)).status).toBe(200);
  });

  it('are accepted by another demo on the same database', async () => {
    const pair = await issueJwt();
    const other = await new DemoProcess({ DATABASE_URL: demo.databaseUrl, HTTP_ADAPTER: adapter }).ready();

    const status = await statusWith(pair.access_token, other.url);
    await other.stop();

    expect(status).toBe(200);
  });

  it('are listed with their events on the activity page', async () => {
    const pair = await issueJwt();
    await refresh(pair.refresh_token);
    await refresh(pair.refresh_token);

    const page = await ada.html('/settings/audit');

    expect(page).toContain('Device signed in with read:projects');
    expect(page).toContain('Device refreshed its tokens');
    expect(page).toContain('Old refresh token used again');
  });

  it('have no public keys, because their secret is shared', async () => {
    const answer = await fetch(`${demo.url}/.well-known/jwks.json`);

    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ keys: [] });
  });
});
