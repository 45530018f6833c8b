import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { SigraDatabase } from './sigra-database.js';

/** Any number will do, as long as every node has the same. */
const CLEANUP_LOCK = 7_365_777_249;

/** Keeps clean-up to one node at a time. Bound to the transaction, so that it works through a transaction pooler. */
@Injectable()
export class AdvisoryLock {
  constructor(private readonly database: SigraDatabase) {}

  /** Whether the transaction got the lock, which it then holds until it ends. Never waits. */
  async tryAcquire(manager: EntityManager): Promise<boolean> {
    const [row] = await this.database.query<{ acquired: boolean }>(
      'SELECT pg_try_advisory_xact_lock($1) AS acquired',
      [CLEANUP_LOCK],
      manager,
    );
    return row?.acquired === true;
  }
}
