import { describe, expect, it } from '@jest/globals';
import type { Type } from '@nestjs/common';
import { type DataSource, Entity, PrimaryColumn } from 'typeorm';
import { startCustomUsersApp } from '../support/custom-users-app.js';
import { type LoggedQuery, QueryLog } from '../support/query-log.js';

@Entity('people')
class CitextUser {
  @PrimaryColumn('citext')
  id!: string;
}

/** An entity that does not say that its column ignores case. */
@Entity('people')
class TextUser {
  @PrimaryColumn('text')
  id!: string;
}

/** An entity that only TypeORM makes. */
@Entity('people')
class ConstructedUser {
  @PrimaryColumn('citext')
  id!: string;

  constructor(id?: string) {
    if (id !== undefined) this.id = id;
  }
}

const PEOPLE = `CREATE TABLE people (id citext PRIMARY KEY);
  INSERT INTO people SELECT 'Name ' || n FROM generate_series(1, 50000) n; ANALYZE people`;
const HERE = `CREATE EXTENSION citext; ${PEOPLE}`;
const ELSEWHERE = `CREATE SCHEMA tools; CREATE EXTENSION citext SCHEMA tools;
  ${PEOPLE.replace('citext', 'tools.citext')}`;

/** The scans of the users in the plans of a statement, among them the generic one. */
async function scansOf(dataSource: DataSource, { sql, parameters }: LoggedQuery): Promise<string[]> {
  const explain = async (prefix: string, values?: unknown[]) => {
    const rows = await dataSource.query<{ 'QUERY PLAN': string }[]>(`${prefix} ${sql}`, values);
    return rows.map((row) => row['QUERY PLAN']);
  };
  const plans = [...(await explain('EXPLAIN', [...parameters])), ...(await explain('EXPLAIN (GENERIC_PLAN)'))];
  return plans.flatMap(
    (line) => /(?:Seq Scan on|Index (?:Only )?Scan using|Bitmap Index Scan on) people\w*/.exec(line) ?? [],
  );
}

describe('a citext id', () => {
  it.each<[string, Type<object>, string]>([
    ['of users that are joined', CitextUser, HERE],
    ['of users that are joined, where the entity says text', TextUser, HERE],
    ['whose type is in a schema outside of the search path', CitextUser, ELSEWHERE],
    ['of users that TypeORM reads', ConstructedUser, HERE],
  ])('%s is found by its index, in any case', async (_case, entity, sql) => {
    const host = await startCustomUsersApp({ users: { entity }, entities: [entity], sql });
    const log = QueryLog.of(host.dataSource);

    const { token } = await host.tokens.create('NAME 7', { name: 'CI', scopes: ['read:notes'] });
    const users = [await host.userOf('Name 7'), await host.userOf('nAME 7'), await host.userOfSession('NAME 7')];
    const { accessToken } = await host.jwt.generateTokens('NAME 7', ['read:notes']);
    users.push(await host.userBehind(accessToken));
    const statements = log.matching(/FROM[^]*people/);
    const scans = [];
    for (const statement of statements) scans.push(...(await scansOf(host.dataSource, statement)));
    await host.close();

    expect(users).toEqual(users.map(() => ({ id: 'Name 7' })));
    // One owner has one id in the tables of Sigra, in whatever case it is given.
    expect(token.ownerId).toBe('name 7');
    expect(scans.length).toBeGreaterThanOrEqual(6);
    expect(scans.filter((scan) => !scan.includes('people_pkey'))).toEqual([]);
  });
});
