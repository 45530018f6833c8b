import { Deadline } from '../common/deadline.js';
import { requestCancel } from './cancel-request.js';
import { isNotKept } from './database-error.js';
import { type PrimaryPosition, type ProofRow } from './primary-position.js';
import type { PreparedStatement, Row } from './prepared-statement.js';
import { type PgDriver, type Pool, type PooledClient, sendTogether } from './proven-read.js';

/** How long a standby that failed is left, in milliseconds: it doubles with each failure in a row. */
const FIRST_REST_MS = 100;
const LONGEST_REST_MS = 2000;

/** What a standby has said of itself. */
export interface StandbyAnswer {
  /** Present when it is proven that the standby had replayed the position, before the rows were read. */
  readonly rows?: Row[];
  readonly replayed: string | null;
  /** Why it can never be proven, such as a missing privilege; undefined when the standby only is behind. */
  readonly problem?: string;
}

/** The connections to one standby. Nothing is trusted but what an answer proves, so it can stand behind a pooler or a balancer. */
export class Standby {
  /** The newest position that it is known to have replayed was asked for at this time, in milliseconds of `performance.now()`. */
  reachedAt = -Infinity;
  /** The connections that have prepared the proof. */
  private readonly prepared = new WeakSet<PooledClient>();
  private readonly pool: Pool;
  /** The same with a name of its own, because the driver does not know that it is prepared. */
  private readonly sentAhead: PreparedStatement;
  private failures = 0;
  private restsUntil = -Infinity;

  /**
   * @param name for messages
   * @param patience how long an answer can take, in milliseconds
   * @param proof see `proofOf`
   */
  constructor(
    readonly name: string,
    private readonly driver: PgDriver,
    options: Readonly<Record<string, unknown>>,
    private readonly patience: number,
    private prepares: boolean,
    private readonly proof: PreparedStatement,
  ) {
    this.sentAhead = { name: `${proof.name}_p`, text: proof.text };
    this.pool = new driver.Pool({ ...options, connectionTimeoutMillis: patience });
    // A connection that breaks while it is idle: the next read finds out.
    this.pool.on('error', () => undefined);
    // While a connection is in use, the pool does not listen for its errors, and the statement rejects all the same. From the start:
    // the server can end a connection with the same packet that makes it ready.
    this.pool.on('connect', (client) => {
      client.on('error', () => undefined);
    });
  }

  /** Whether it is left for a while, because it failed. */
  get isResting(): boolean {
    return performance.now() < this.restsUntil;
  }

  /** Asks what it has replayed. @throws when it does not answer in time */
  probe(point: PrimaryPosition): Promise<StandbyAnswer> {
    return this.use(async (client) => {
      const { rows } = await client.query({ ...this.bound(this.proof), values: [point.lsn] });
      return judge(rows, point);
    });
  }

  /** Runs a SELECT, and proves that it sees everything up to a position. @throws when it does not answer in time */
  read(statement: PreparedStatement, values: readonly unknown[], point: PrimaryPosition): Promise<StandbyAnswer> {
    return this.use(async (client) => {
      const isKnown = this.prepares && this.prepared.has(client);
      const proof = { ...this.bound(this.sentAhead), values: [point.lsn], isKnown };
      const [proven, rows] = await sendTogether(this.driver, client, proof, { ...this.bound(statement), values });
      this.prepared.add(client);
      return judge(proven, point, rows);
    });
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  /** A statement without its name is prepared each time. */
  private bound({ name, text }: PreparedStatement): { name?: string; text: string } {
    return this.prepares ? { name, text } : { text };
  }

  /** A connection whose state is not known is closed. */
  private async use<T>(work: (client: PooledClient) => Promise<T>): Promise<T> {
    try {
      const client = await this.pool.connect();
      let isSettled = false;
      try {
        const result = await Deadline.after(this.patience).limit(work(client));
        isSettled = true;
        this.failures = 0;
        return result;
      } finally {
        if (!isSettled) void requestCancel(client, this.patience);
        client.release(!isSettled);
      }
    } catch (error) {
      if (isNotKept(error)) this.prepares = false;
      const rest = Math.min(FIRST_REST_MS * 2 ** this.failures++, LONGEST_REST_MS);
      this.restsUntil = performance.now() + rest;
      this.reachedAt = -Infinity;
      throw error;
    }
  }
}

function judge([proof]: readonly Row[], { witness }: PrimaryPosition, rows?: Row[]): StandbyAnswer {
  const { replayed, witness: own } = proof as unknown as ProofRow;
  if (own === witness) return { replayed, ...(rows && { rows }) };
  return { replayed, ...(own !== null && { problem: `it is "${own}", and the primary "${witness}"` }) };
}
