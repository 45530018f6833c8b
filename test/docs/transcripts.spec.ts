import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SigraJwtService } from 'nestjs-sigra';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { document } from '../support/markdown.js';
import { curl, exchangesOf, withoutValues } from '../support/transcript.js';

describe('the transcripts of the documents', () => {
  let test: TestApp;

  beforeAll(async () => {
    test = await startTestApp({
      sigra: {
        apiTokens: { scopes: ['read:projects', 'write:projects'] },
        jwt: { enabled: true, issuer: 'https://myapp.example', secret: 's'.repeat(32) },
        session: { userId: (request) => /^session=(.+)$/.exec(String(request.headers.cookie))?.[1] },
        controllers: { tokens: 'api/tokens', oauth: 'oauth' },
      },
    });
  });
  afterAll(() => test.close());

  it.each(['docs/getting-started.md', 'docs/jwt.md'])('show the real answers in %s', async (path) => {
    const exchanges = exchangesOf(document(path));
    const { refreshToken } = await test.get(SigraJwtService).generateTokens(test.user, ['read:projects']);
    const variables = { SESSION: `session=${test.user.id}`, REFRESH_TOKEN: refreshToken };

    const real: string[][] = [];
    for (const { command } of exchanges) real.push(await curl(command, test.url, variables));

    expect(exchanges.length).toBeGreaterThan(0);
    exchanges.forEach(({ answer }, index) => {
      expect(withoutValues(real[index]!)).toEqual(expect.arrayContaining(withoutValues(answer)));
    });
  });
});
