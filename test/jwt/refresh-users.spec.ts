import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { familyIdOf, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { everyRow } from '../support/family-rows.js';
import { refusalOf } from '../support/refusal.js';
import type { User } from '../support/test-app.js';

const SCOPES = ['read:notes'];
const NOBODY = '00000000-0000-4000-8000-000000000000';

describe('the user of a family', () => {
  let test: JwtApp;

  beforeAll(async () => {
    test = await startJwtApp();
  });
  afterAll(() => test.close());

  const disable = (user: User, at: Date | null) =>
    test.dataSource.query('UPDATE users SET disabled_at = $2 WHERE id = $1', [user.id, at]);

  it('is accepted as an object or as an id', async () => {
    const user = await test.addUser('grace@example.com');

    const pairs = [await test.jwt.generateTokens(user, SCOPES), await test.jwt.generateTokens(user.id, SCOPES)];
    const lists = [await test.jwt.listFamilies(user), await test.jwt.listFamilies(user.id)];
    await test.jwt.revokeFamily(user.id, familyIdOf(pairs[0]!));
    const revoked = await test.jwt.revokeAllRefresh(user.id);
    await test.jwt.signOutEverywhere(user.id);
    await test.jwt.signOutEverywhere(user);

    expect(lists[0]?.families).toHaveLength(2);
    expect(lists[1]).toEqual(lists[0]);
    expect(revoked).toBe(1);
    expect(
      await test.dataSource.query('SELECT owner_id, family_epoch FROM sigra_owners WHERE owner_id = $1', [user.id]),
    ).toEqual([{ owner_id: user.id, family_epoch: 3 }]);
  });

  it('cannot be signed in when unknown or inactive', async () => {
    const user = await test.addUser('disabled@example.com');
    await disable(user, new Date());
    const before = await everyRow(test.dataSource);

    const refusals = [
      await refusalOf(test.jwt.generateTokens(NOBODY, SCOPES)),
      await refusalOf(test.jwt.generateTokens('not a uuid', SCOPES)),
      await refusalOf(test.jwt.generateTokens(user.id, SCOPES)),
      await refusalOf(test.jwt.generateTokens({ id: user.id, email: user.email, disabledAt: new Date() }, SCOPES)),
    ];

    expect(refusals).toEqual(['not_found', 'not_found', 'not_found', 'not_found']);
    expect(await everyRow(test.dataSource)).toEqual(before);
  });

  it('cannot refresh while deactivated, and can again afterwards', async () => {
    const user = await test.addUser('back@example.com');
    const pair = await test.jwt.generateTokens(user, SCOPES);
    await disable(user, new Date());
    const before = await everyRow(test.dataSource);

    const refusal = await refusalOf(test.jwt.refresh(pair.refreshToken));
    const after = await everyRow(test.dataSource);
    await disable(user, null);
    const again = await test.jwt.refresh(pair.refreshToken);

    expect(refusal).toBe('invalid_token');
    expect(after).toEqual(before);
    expect(again.scope).toBe('read:notes');
  });

  it('cannot refresh after being deleted', async () => {
    const user = await test.addUser('gone@example.com');
    const pair = await test.jwt.generateTokens(user, SCOPES);
    await test.dataSource.query('DELETE FROM users WHERE id = $1', [user.id]);

    expect(await refusalOf(test.jwt.refresh(pair.refreshToken))).toBe('invalid_token');
    expect(await refusalOf(test.jwt.verifyAccess(pair.accessToken))).toBe('invalid_token');
  });

  it('is passed to the claims with every refresh', async () => {
    const own = await startJwtApp({ claims: (user) => ({ email: user.email }) });
    const first = await own.jwt.generateTokens(own.user, SCOPES);
    await own.dataSource.query(`UPDATE users SET email = 'new@example.com'`);

    const second = await own.jwt.refresh(first.refreshToken);
    const claims = [await own.jwt.verifyAccess(first.accessToken), await own.jwt.verifyAccess(second.accessToken)];
    await own.close();

    expect(claims.map(({ email }) => email)).toEqual(['ada@example.com', 'new@example.com']);
  });

  it('keeps the refresh token when the claims fail', async () => {
    let broken = false;
    const own = await startJwtApp({
      claims: () => {
        if (broken) throw new Error('no claims today');
        return {};
      },
    });
    const pair = await own.jwt.generateTokens(own.user, SCOPES);
    broken = true;
    const before = await everyRow(own.dataSource);

    const failed = own.jwt.refresh(pair.refreshToken);

    await expect(failed).rejects.toThrow('no claims today');
    expect(await everyRow(own.dataSource)).toEqual(before);
    broken = false;
    expect(await own.jwt.refresh(pair.refreshToken)).toMatchObject({ scope: 'read:notes' });
    await own.close();
  });
});
