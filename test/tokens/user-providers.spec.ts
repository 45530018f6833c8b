import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { SigraConfigError, type UserProvider } from 'nestjs-sigra';
import { refusalOf } from '../support/refusal.js';
import { type CustomUsersApp, startCustomUsersApp } from '../support/custom-users-app.js';

const REQUEST = { name: 'CI', scopes: ['read:notes'] };

interface Person {
  readonly uid: number;
  readonly blocked: boolean;
}

const ADA: Person = { uid: 1, blocked: false };
const GRACE: Person = { uid: 2, blocked: false };
const MALLORY: Person = { uid: 3, blocked: true };

/** Users outside of the database, for example in a directory server. */
@Injectable()
class PersonDirectory implements UserProvider<Person> {
  readonly asked: (readonly string[])[] = [];
  answer: (ids: readonly string[]) => readonly Person[] | Promise<never> = people;

  async findByIds(ids: readonly string[]): Promise<readonly Person[]> {
    this.asked.push(ids);
    return this.answer(ids);
  }
}

function people(ids: readonly string[]): readonly Person[] {
  return [ADA, GRACE, MALLORY].filter(({ uid }) => ids.includes(String(uid)));
}

const instance = new PersonDirectory();
const rules = { id: 'uid', isActive: ({ blocked }: Person) => !blocked } as const;

describe.each([
  ['a class that a module provides', { provider: PersonDirectory, ...rules }],
  ['an instance', { provider: instance, ...rules }],
])('a UserProvider given as %s', (_kind, users) => {
  let host: CustomUsersApp;
  let directory: PersonDirectory;

  beforeAll(async () => {
    const shared = users.provider === instance ? instance : new PersonDirectory();
    host = await startCustomUsersApp<Person>({ users, providers: [{ provide: PersonDirectory, useValue: shared }] });
    directory = shared;
  });
  afterEach(() => {
    directory.answer = people;
    directory.asked.length = 0;
  });
  afterAll(() => host.close());

  it('finds users by their tokens', async () => {
    expect(await host.userOf(ADA)).toEqual(ADA);
    expect(await host.userOf(2)).toEqual(GRACE);
  });

  it('is not asked when a token is revoked by its raw form', async () => {
    const { rawToken, token } = await host.tokens.create(ADA, REQUEST);
    directory.answer = () => Promise.reject(new Error('The directory server is down'));

    await host.revoker.revokeByRawToken(rawToken, {});

    expect(directory.asked).toEqual([]);
    expect((await host.tokens.revoke(token.id)).revokedAt).not.toBeNull();
    expect(await refusalOf(host.tokens.verify(rawToken))).toBe('token_revoked');
  });

  it('can omit users that do not exist', async () => {
    const issued = await Promise.all([ADA, GRACE].map((user) => host.tokens.create(user, REQUEST)));
    directory.answer = (ids) => ids.map((id) => people([id]).find(({ uid }) => uid === 1) ?? null) as Person[];

    const outcomes = await Promise.allSettled(issued.map(({ rawToken }) => host.tokens.verify(rawToken)));

    expect(outcomes).toMatchObject([
      { status: 'fulfilled', value: { ownerId: '1' } },
      { status: 'rejected', reason: { code: 'invalid_token' } },
    ]);
  });

  it('is called once for all verifications of one turn, with each user once', async () => {
    const issued = await Promise.all(
      [ADA, ADA, GRACE, ADA, GRACE, GRACE].map((user) => host.tokens.create(user, REQUEST)),
    );

    const verified = await Promise.all(issued.map(({ rawToken }) => host.tokens.verify(rawToken)));

    expect(verified.map(({ ownerId }) => ownerId)).toEqual(['1', '1', '2', '1', '2', '2']);
    expect(directory.asked).toEqual([['1', '2']]);
  });

  it('is called again in the next turn, without a cache', async () => {
    const { rawToken } = await host.tokens.create(ADA, REQUEST);
    await host.tokens.verify(rawToken);
    directory.answer = () => [];

    expect(await refusalOf(host.tokens.verify(rawToken))).toBe('invalid_token');
  });

  it('can return users in any order, and users that were not requested', async () => {
    directory.answer = () => [MALLORY, GRACE, ADA];

    expect([await host.userOf(ADA), await host.userOf(GRACE)]).toEqual([ADA, GRACE]);
  });

  it('causes a refusal of inactive and unknown users', async () => {
    const [blocked, absent] = await Promise.all([
      host.tokens.create(MALLORY, REQUEST),
      host.tokens.create(99, REQUEST),
    ]);

    expect(await refusalOf(host.tokens.verify(blocked.rawToken))).toBe('invalid_token');
    expect(await refusalOf(host.tokens.verify(absent.rawToken))).toBe('invalid_token');
    expect(await host.userBehind(blocked.rawToken)).toBe(401);
  });

  it('makes verification unavailable only while it fails', async () => {
    const { rawToken } = await host.tokens.create(ADA, REQUEST);
    directory.answer = () => Promise.reject(new Error('directory down'));

    const refusal = await refusalOf(host.tokens.verify(rawToken));
    const status = await host.userBehind(rawToken);
    directory.answer = people;

    expect([refusal, status]).toEqual(['unavailable', 503]);
    expect(await host.tokens.verify(rawToken)).toMatchObject({ ownerId: '1' });
  });

  it('is not called for the owner of a revoked or expired token', async () => {
    const { rawToken, token } = await host.tokens.create(ADA, REQUEST);
    await host.tokens.revoke(token.id);

    const refusal = await refusalOf(host.tokens.verify(rawToken));

    expect(refusal).toBe('token_revoked');
    expect(directory.asked).toEqual([]);
  });
});

describe('a UserProvider that no module provides', () => {
  it('fails the boot with a remedy', async () => {
    const boot = startCustomUsersApp<Person>({ users: { provider: PersonDirectory, ...rules } });

    await expect(boot).rejects.toThrow(SigraConfigError);
    await expect(boot).rejects.toThrow(
      'sigra: users.provider PersonDirectory is not a provider of this application; add it to the providers of a module',
    );
  });
});

describe('a UserProvider that never answers', () => {
  it('times out call by call, and works again as soon as it answers', async () => {
    const directory = new PersonDirectory();
    const users = { provider: directory, ...rules };
    const host = await startCustomUsersApp<Person>({ users, lookupTimeout: 500 });
    const { rawToken } = await host.tokens.create(ADA, REQUEST);
    directory.answer = () => new Promise(() => undefined);

    const refusals: string[] = [];
    // More calls than are allowed in flight at the same time.
    for (let round = 0; round < 6; round++) refusals.push(await refusalOf(host.tokens.verify(rawToken)));
    directory.answer = people;
    const verified = await host.tokens.verify(rawToken);
    await host.close();

    expect(refusals).toEqual(refusals.map(() => 'unavailable'));
    expect(verified).toMatchObject({ ownerId: '1' });
  });
});
