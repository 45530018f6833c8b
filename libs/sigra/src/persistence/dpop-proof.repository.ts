import { Injectable } from '@nestjs/common';
import { Clock, CLOCK_MARGIN_SECONDS, replacedTime } from '../common/clock.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { BatchLoader } from './batch-loader.js';
import { currentTime } from './columns.js';
import { preparedStatement, type PreparedStatement } from './prepared-statement.js';
import { SigraDatabase } from './sigra-database.js';

/**
 * Remembers the proofs that were used, for all nodes. The table is logged like every other: without its rows, a crash or a
 * fail-over would make proofs usable again. One statement, and so one commit, serves all requests of an event-loop turn.
 */
@Injectable()
export class DpopProofRepository {
  private readonly statement: PreparedStatement;
  private readonly loader: BatchLoader<true>;
  /** Proofs that are being inserted: a loader would share the answer of one among all its callers. */
  private readonly pending = new Set<string>();

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly database: SigraDatabase,
    private readonly clock: Clock,
  ) {
    const table = database.names.dpopProofs;
    // A subquery is computed once, so that the index finds the expired rows.
    const now = `(SELECT ${currentTime('$2')})`;
    // Sorted, so that two batches with the same proofs do not wait for each other. Each deletes more expired rows than it
    // inserts, so that the table stays small between clean-ups.
    this.statement = preparedStatement(`
      WITH expired AS MATERIALIZED (
        SELECT proof_hash FROM ${table} WHERE expires_at <= ${now}
        ORDER BY expires_at LIMIT 2 * cardinality($1::text[]) FOR UPDATE SKIP LOCKED
      ), deleted AS (
        DELETE FROM ${table} t USING expired WHERE t.proof_hash = expired.proof_hash
      )
      INSERT INTO ${table} (proof_hash, expires_at)
      SELECT decode(hash, 'hex'), ${now} + make_interval(secs => $3)
      FROM unnest($1::text[]) AS hash ORDER BY hash
      ON CONFLICT (proof_hash) DO NOTHING
      RETURNING encode(proof_hash, 'hex') AS sigra_key`);
    const { lookupTimeout: timeout } = config;
    this.loader = new BatchLoader({ name: 'dpop_proof', load: (hashes) => this.insert(hashes), timeout });
  }

  /**
   * Uses a proof.
   *
   * @param hash a SHA-256, in hex
   * @returns false when it was used before, here or on another node
   * @throws SigraError `unavailable`
   */
  async use(hash: string): Promise<boolean> {
    if (this.pending.has(hash)) return false;
    this.pending.add(hash);
    try {
      return (await this.loader.load(hash)) === true;
    } finally {
      this.pending.delete(hash);
    }
  }

  private async insert(hashes: readonly string[]): Promise<ReadonlyMap<string, true>> {
    const { dpop, jwt } = this.config;
    // A proof can be issued a tolerance after its first use, and be accepted until a tolerance after its end.
    const lifetime = (dpop?.proofTtl ?? 0) + 2 * (jwt?.clockTolerance ?? 0) + CLOCK_MARGIN_SECONDS;
    const parameters = [`{${hashes.join(',')}}`, replacedTime(this.clock), lifetime];
    const rows = await this.database.change(this.statement, parameters, this.config.lookupTimeout);
    return new Map(rows.map((row) => [row.sigra_key as string, true]));
  }
}
