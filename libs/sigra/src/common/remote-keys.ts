import { Logger } from '@nestjs/common';
import { Deadline } from './deadline.js';
import { refuse } from './sigra-error.js';

/** Age at which keys are read again, in milliseconds. */
const REFRESH_AFTER = 600_000;
/** Shortest time between two readings that fail, in milliseconds. */
const RETRY_AFTER = 5_000;
/** The most keys in one document. */
export const MAX_KEYS = 100;

/** A moment of one verification. */
export interface Moment {
  readonly now: Date;
  /** The longest time that the verification can take, in milliseconds. */
  readonly timeout: number;
}

/** Where keys of another server come from, and how long they count. */
export interface KeySource<Keys> {
  /** The context of log lines. */
  readonly context: string;
  /** The server, for log lines. */
  readonly name: string;
  /** The server, for callers, such as `issuer`. */
  readonly role: string;
  /** Longest time that keys count when the server does not answer, in seconds. */
  readonly maxAge: number;
  /** Shortest time between two readings because of an unknown key, in milliseconds: anybody can name one. */
  readonly coolDown: number;
  /** Reads the keys. @throws Error of any kind when they cannot be read */
  read(signal: AbortSignal): Promise<Keys>;
}

/**
 * Keys that another server publishes. They are read when a verification first needs them, every ten minutes, and when one
 * names a key that is not among them, but then not more often than every `coolDown`. All requests share one reading. When it
 * fails, the keys from before count up to `maxAge`.
 *
 * @typeParam Keys an object, which is a new one for each reading
 */
export class RemoteKeys<Keys extends object> {
  private readonly logger: Logger;
  private keys: Keys | undefined;
  private readAt = -Infinity;
  private triedAt = -Infinity;
  private failure: unknown;
  private reading: Promise<void> | undefined;

  constructor(private readonly source: KeySource<Keys>) {
    this.logger = new Logger(source.context);
  }

  /**
   * The keys that count now.
   *
   * @throws SigraError `unavailable`
   */
  async current({ now, timeout }: Moment): Promise<Keys> {
    const age = now.getTime() - this.readAt;
    // Also after the clock was set back.
    if (this.keys && age >= 0 && age < REFRESH_AFTER) return this.keys;
    const reading = this.read(now, timeout);
    const keysBefore = this.usable(now);
    // While the server is known to fail, requests with keys do not wait for it, and never so long that these come too late.
    if (keysBefore && this.failure !== undefined) return keysBefore;
    if (keysBefore) await within(timeout / 2, reading);
    else await reading;
    const keys = this.usable(now);
    if (keys) return keys;
    throw this.unavailable();
  }

  /**
   * Keys that were read after others, among which the one that a signature names is not.
   *
   * @returns undefined when there are none: the server has no such key
   * @throws SigraError `unavailable` when it is not known
   */
  async after(keys: Keys, { now, timeout }: Moment): Promise<Keys | undefined> {
    if (this.keys === keys) await this.read(now, timeout);
    if (this.keys !== keys) return this.keys;
    if (this.failure !== undefined) throw this.unavailable();
    return undefined;
  }

  /** Reads the keys, unless they have just been read. Never rejects. */
  private read(now: Date, timeout: number): Promise<void> {
    if (this.reading) return this.reading;
    const sinceTry = now.getTime() - this.triedAt;
    const pause = this.failure === undefined ? this.source.coolDown : RETRY_AFTER;
    if (sinceTry >= 0 && sinceTry < pause) return Promise.resolve();
    this.triedAt = now.getTime();
    this.reading = this.source
      .read(AbortSignal.timeout(timeout))
      .then(
        (keys) => {
          this.keys = keys;
          this.readAt = now.getTime();
          if (this.failure !== undefined) this.logger.log(`The keys of ${this.source.name} can be read again`);
          this.failure = undefined;
        },
        (error: unknown) => {
          if (this.failure === undefined)
            this.logger.warn(`Cannot read the keys of ${this.source.name}: ${reasonOf(error)}`);
          this.failure = error;
        },
      )
      .finally(() => {
        this.reading = undefined;
      });
    return this.reading;
  }

  private usable(now: Date): Keys | undefined {
    return now.getTime() - this.readAt < this.source.maxAge * 1000 ? this.keys : undefined;
  }

  private unavailable() {
    return refuse('unavailable', `The keys of the ${this.source.role} cannot be read.`, { cause: this.failure });
  }
}

/** Waits for a step that never rejects, at most for a time in milliseconds. */
async function within(time: number, step: Promise<void>): Promise<void> {
  await Deadline.after(time)
    .limit(step)
    .catch(() => undefined);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // `fetch` tells why in the cause.
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
