import type { DataSource } from 'typeorm';

const TABLE = 'sigra_audit_events';

/** Forbids rows of an action in the audit trail, by a real constraint, until the returned function is called. */
export async function forbidAudit(dataSource: DataSource, action: string): Promise<() => Promise<void>> {
  await dataSource.query(
    `ALTER TABLE ${TABLE} ADD CONSTRAINT forbidden CHECK (action <> '${action}' OR occurred_at < '2000-01-01') NOT VALID`,
  );
  return async () => {
    await dataSource.query(`ALTER TABLE ${TABLE} DROP CONSTRAINT forbidden`);
  };
}

/** Statements that fail with a state of the server, as often as it was asked for. */
export interface Fault {
  /** How many have failed or could have. */
  hits(): Promise<number>;
  mend(): Promise<void>;
}

/**
 * Lets insertions into the audit trail fail with an SQLSTATE.
 *
 * @param times how many of them fail; a sequence counts, because no rollback takes its numbers back
 */
export async function failAudit(dataSource: DataSource, state: string, times: number): Promise<Fault> {
  await dataSource.query('CREATE SEQUENCE fault_hits');
  await dataSource.query(
    `CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF nextval('fault_hits') <= ${times} THEN RAISE EXCEPTION 'provoked' USING ERRCODE = '${state}'; END IF;
       RETURN NEW;
     END $$`,
  );
  await dataSource.query(`CREATE TRIGGER fault BEFORE INSERT ON ${TABLE} FOR EACH ROW EXECUTE FUNCTION fault()`);
  return {
    hits: async () => {
      const rows = await dataSource.query<{ hits: number }[]>(
        'SELECT CASE WHEN is_called THEN last_value ELSE 0 END::int AS hits FROM fault_hits',
      );
      return rows[0]?.hits ?? 0;
    },
    mend: async () => {
      await dataSource.query('DROP FUNCTION fault CASCADE');
      await dataSource.query('DROP SEQUENCE fault_hits');
    },
  };
}
