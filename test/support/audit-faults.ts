import type { DataSource } from 'typeorm';

const TABLE = 'sigra_audit_events';

/** Forbids audit rows of an action with a constraint, until the returned function is called. */
export async function forbidAudit(dataSource: DataSource, action: string): Promise<() => Promise<void>> {
  await dataSource.query(
    `ALTER TABLE ${TABLE} ADD CONSTRAINT forbidden CHECK (action <> '${action}' OR occurred_at < '2000-01-01') NOT VALID`,
  );
  return async () => {
    await dataSource.query(`ALTER TABLE ${TABLE} DROP CONSTRAINT forbidden`);
  };
}

/** A fault that makes a given number of insertions fail. */
export interface Fault {
  /** The number of insertions since the fault began, failed or not. */
  hits(): Promise<number>;
  mend(): Promise<void>;
}

/**
 * Makes insertions into the audit trail fail with an SQLSTATE.
 *
 * @param times the number of insertions that fail; a sequence counts them, because a rollback does not reset it
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
