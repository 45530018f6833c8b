import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeCursor } from 'nestjs-sigra';
import { ADAPTERS, startTestApp, type TestApp } from '../support/test-app.js';
import { flood, type Hit, type Shot } from '../support/raw-http.js';
import { HEADER_CHARACTERS, mutate } from '../support/mutations.js';
import { SeededRandom, seedOfRun } from '../support/seeded-random.js';
import { unknownToken } from '../support/unknown-token.js';

const HEADERS = 5000;
const IDS = 2000;
const CURSORS = 2000;
const BODIES = 1000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

describe.each(ADAPTERS)('Ten thousand mutations on %s', (adapter) => {
  const seed = seedOfRun();
  let test: TestApp;
  let rawToken: string;
  let tokenId: string;
  let bearer: Record<string, string>;

  beforeAll(async () => {
    test = await startTestApp({ adapter });
    const issued = await test.tokens.create(test.user, { name: 'CI', scopes: ['*'] });
    ({ rawToken } = issued);
    tokenId = issued.token.id;
    bearer = { authorization: `Bearer ${rawToken}` };
  });
  afterAll(() => test.close());

  /** @returns a line for each answer that is not allowed, with the seed that reproduces it */
  async function offences<S extends Shot>(shots: readonly S[], isAllowed: (hit: Hit, shot: S) => boolean) {
    const found: string[] = [];
    const seen = new Map<number, number>();
    await flood(test.url, shots, (hit, shot) => {
      seen.set(hit.status, (seen.get(hit.status) ?? 0) + 1);
      if (!isAllowed(hit, shot)) found.push(`SIGRA_SEED=${seed}: ${hit.status} ${hit.body} to ${JSON.stringify(shot)}`);
    });
    return { found, seen };
  }

  it('of the Authorization header are never accepted and never cause a server error', async () => {
    const random = new SeededRandom(seed);
    const kinds: (() => string)[] = [
      () => mutate(`Bearer ${rawToken}`, random, HEADER_CHARACTERS),
      () => `Bearer ${mutate(rawToken, random, 'abcxyzABCXYZ0189_')}`,
      () => `Bearer ${unknownToken((bound) => random.below(bound))}`,
      () => `Bearer ${random.text(HEADER_CHARACTERS, 200)}`,
      () => random.text(HEADER_CHARACTERS, 60),
      () => `Bearer eyJ${random.text('abcxyzABC019-_.', 300)}`,
      () => `${random.text('BbEeAaRr', 7)} ${rawToken}`,
    ];
    const isGood = (header: string) => {
      // RFC 9110 section 5.5: spaces and tabs around a value are not part of it.
      const [, scheme, credential] = /^[ \t]*([^ \t]+) +([^ \t]*)[ \t]*$/.exec(header) ?? [];
      return scheme?.toLowerCase() === 'bearer' && credential === rawToken;
    };
    const shots = Array.from({ length: HEADERS }, () => random.pick(kinds)())
      .filter((authorization) => !isGood(authorization))
      .map((authorization) => ({ path: '/notes/me', headers: { authorization } }));

    const { found, seen } = await offences(shots, ({ status }) => status === 400 || status === 401);

    expect(found).toEqual([]);
    expect(shots.length).toBeGreaterThan(0.9 * HEADERS);
    expect([...seen.keys()].sort()).toEqual([400, 401]);
  });

  it('of a token id reach no token and never cause a server error', async () => {
    const random = new SeededRandom(seed);
    const alphabet = "abcdef0189-'%_*$\\;\u0000\u00e9";
    const shots = Array.from({ length: IDS }, () => {
      const id = random.below(4) === 0 ? random.text(alphabet, 60) : mutate(tokenId, random, alphabet);
      // Fastify has no parameters of more than 100 characters.
      return encodeURIComponent(id.slice(0, 60));
    })
      .filter((id) => id !== '' && id !== tokenId)
      .map((id) =>
        random.below(2) === 0
          ? { method: 'DELETE', path: `/api/tokens/${id}`, headers: bearer }
          : { method: 'POST', path: `/api/tokens/${id}/rotate`, headers: bearer },
      );

    const { found, seen } = await offences(shots, ({ status }) => status === 404);

    expect(found).toEqual([]);
    expect([...seen.keys()]).toEqual([404]);
    expect((await test.tokens.verify(rawToken)).id).toBe(tokenId);
  });

  it('of a cursor and a limit are refused or answered, and never cause a server error', async () => {
    const random = new SeededRandom(seed);
    const cursor = encodeCursor(new Date(), tokenId);
    const alphabet = 'abcxyzABC0189-_=+/.\u0000\u00e9';
    const limits = () => random.pick([String(random.below(1000) - 500), random.text('0123456789-+.eExX ', 8), '50']);
    const shots = Array.from({ length: CURSORS }, () => {
      const kind = random.below(3);
      const text =
        kind === 0
          ? mutate(cursor, random, alphabet)
          : kind === 1
            ? Buffer.from(mutate(`${Date.now().toString(36)}.${tokenId}`, random, alphabet), 'latin1').toString(
                'base64url',
              )
            : random.text(alphabet, 90);
      return {
        path: `/api/tokens?cursor=${encodeURIComponent(text)}&limit=${encodeURIComponent(limits())}`,
        headers: bearer,
      };
    });

    const { found, seen } = await offences(
      shots,
      ({ status, body }) => status === 400 || (status === 200 && Array.isArray(JSON.parse(body).tokens)),
    );

    expect(found).toEqual([]);
    expect(seen.get(400)).toBeGreaterThan(0.8 * CURSORS);
  });

  it('of the body of a creation are refused or valid, and never cause a server error', async () => {
    const random = new SeededRandom(seed);
    const before = (await test.tokens.listActive(test.user)).tokens.length;
    const body = JSON.stringify({ name: 'fuzz', scopes: ['read:notes'], expiresAt: '2999-01-01T00:00:00Z' });
    const alphabet = '{}[]",:\\u0abzRN\'\u0000\u00e9\ud800 ';
    const shots = Array.from({ length: BODIES }, () => ({
      method: 'POST',
      path: '/api/tokens',
      headers: { ...bearer, 'content-type': 'application/json' },
      body: mutate(body, random, alphabet),
    }));

    const { found, seen } = await offences(
      shots,
      ({ status, body: answer }) => status === 400 || (status === 201 && UUID.test(JSON.parse(answer).token.id)),
    );

    expect(found).toEqual([]);
    expect(seen.get(400)).toBeGreaterThan(shots.length / 2);
    expect(before).toBe(1);
  });
});
