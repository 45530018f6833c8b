import type { DataSource } from 'typeorm';
import { eventually } from './eventually.js';

/** Waits until this many statements wait for a lock in the database of a DataSource. */
export async function untilWaiting(dataSource: DataSource, count: number): Promise<void> {
  await eventually(async () => {
    const rows = await dataSource.query<unknown[]>(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows.length >= count;
  });
}

/** Locks families while `act` runs, so that all statements that need them wait at the same point. */
export async function holdingFamilies(
  dataSource: DataSource,
  ids: readonly string[],
  act: () => Promise<void>,
): Promise<void> {
  await dataSource.transaction(async (manager) => {
    await manager.query('SELECT FROM sigra_refresh_families WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE', [ids]);
    await act();
  });
}
