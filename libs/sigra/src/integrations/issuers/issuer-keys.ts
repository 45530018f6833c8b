import { Logger } from '@nestjs/common';
import { createLocalJWKSet } from 'jose';
import { Deadline } from '../../common/deadline.js';
import { refuse } from '../../common/sigra-error.js';
import { isSafeUrl, readDocument } from './issuer-document.js';
import type { TrustedIssuer } from './trusted-issuer.section.js';

/** Finds the key of a token, by its `kid` and `alg`. */
export type KeySet = ReturnType<typeof createLocalJWKSet>;

/** Age at which keys are read again, in milliseconds. */
const REFRESH_AFTER = 600_000;
/** Shortest time between two readings because of an unknown `kid`, in milliseconds: anybody can send one. */
const COOL_DOWN = 30_000;
/** Shortest time between two readings that fail, in milliseconds. */
const RETRY_AFTER = 5_000;
/** The most keys of an issuer. */
const MAX_KEYS = 100;

/** A moment of one verification. */
export interface Moment {
  readonly now: Date;
  /** The longest time that the verification can take, in milliseconds. */
  readonly timeout: number;
}

/**
 * The keys of one issuer. They are read when a token first needs them, every ten minutes, and when a token names a key that is not
 * among them, but then not more often than every 30 seconds. All requests share one reading. When it fails, the keys from before
 * count up to `keysMaxAge`.
 */
export class IssuerKeys {
  private readonly logger = new Logger('SigraIssuers');
  private keys: KeySet | undefined;
  private readAt = -Infinity;
  private triedAt = -Infinity;
  private failure: unknown;
  private reading: Promise<void> | undefined;

  constructor(
    private readonly issuer: Pick<TrustedIssuer, 'issuer' | 'source' | 'allowInsecure' | 'keysMaxAge' | 'algorithms'>,
  ) {}

  /**
   * The keys that count now.
   *
   * @throws SigraError `unavailable`
   */
  async current({ now, timeout }: Moment): Promise<KeySet> {
    const age = now.getTime() - this.readAt;
    // Also after the clock was set back.
    if (this.keys && age >= 0 && age < REFRESH_AFTER) return this.keys;
    const reading = this.read(now, timeout);
    const keysBefore = this.usable(now);
    // While the issuer is known to fail, requests with keys do not wait for it, and never so long that these come too late.
    if (keysBefore && this.failure !== undefined) return keysBefore;
    if (keysBefore) await within(timeout / 2, reading);
    else await reading;
    const keys = this.usable(now);
    if (keys) return keys;
    throw this.unavailable();
  }

  /**
   * Keys that were read after others, in which a token has none.
   *
   * @returns undefined when there are none: the token has no key of the issuer
   * @throws SigraError `unavailable` when it is not known
   */
  async after(keys: KeySet, { now, timeout }: Moment): Promise<KeySet | undefined> {
    if (this.keys === keys) await this.read(now, timeout);
    if (this.keys !== keys) return this.keys;
    if (this.failure !== undefined) throw this.unavailable();
    return undefined;
  }

  /** Reads the keys, unless they have just been read. Never rejects. */
  private read(now: Date, timeout: number): Promise<void> {
    if (this.reading) return this.reading;
    const sinceTry = now.getTime() - this.triedAt;
    const pause = this.failure === undefined ? COOL_DOWN : RETRY_AFTER;
    if (sinceTry >= 0 && sinceTry < pause) return Promise.resolve();
    this.triedAt = now.getTime();
    this.reading = this.fetch(AbortSignal.timeout(timeout))
      .then(
        (keys) => {
          this.keys = keys;
          this.readAt = now.getTime();
          if (this.failure !== undefined) this.logger.log(`The keys of ${this.issuer.issuer} can be read again`);
          this.failure = undefined;
        },
        (error: unknown) => {
          if (this.failure === undefined)
            this.logger.warn(`Cannot read the keys of ${this.issuer.issuer}: ${reasonOf(error)}`);
          this.failure = error;
        },
      )
      .finally(() => {
        this.reading = undefined;
      });
    return this.reading;
  }

  private async fetch(signal: AbortSignal): Promise<KeySet> {
    const { source } = this.issuer;
    const url = 'jwksUri' in source ? source.jwksUri : await this.discover(source.metadataUrl, signal);
    const { keys } = await readDocument(url, signal);
    if (!Array.isArray(keys) || keys.length > MAX_KEYS)
      throw new Error(`${url} has no array of at most ${MAX_KEYS} keys`);
    return createLocalJWKSet({ keys: keys.filter(isPublicKey) });
  }

  /** The `jwks_uri` of the metadata (OpenID Connect Discovery section 4.3, RFC 8414 section 3.3). */
  private async discover(metadataUrl: string, signal: AbortSignal): Promise<string> {
    const { issuer, jwks_uri: jwksUri } = await readDocument(metadataUrl, signal);
    if (issuer !== this.issuer.issuer) throw new Error(`${metadataUrl} is the metadata of another issuer`);
    if (isSafeUrl(jwksUri, this.issuer.allowInsecure)) return jwksUri;
    throw new Error(`${metadataUrl} has no safe jwks_uri`);
  }

  private usable(now: Date): KeySet | undefined {
    return now.getTime() - this.readAt < this.issuer.keysMaxAge * 1000 ? this.keys : undefined;
  }

  private unavailable() {
    return refuse('unavailable', 'The keys of the issuer cannot be read.', { cause: this.failure });
  }
}

/** Waits for a step that never rejects, at most for a time in milliseconds. */
async function within(time: number, step: Promise<void>): Promise<void> {
  await Deadline.after(time)
    .limit(step)
    .catch(() => undefined);
}

/** Whether a key can be public: a shared secret, of type `oct`, must never verify. */
function isPublicKey(key: unknown): key is object {
  return typeof key === 'object' && key !== null && (key as { kty?: unknown }).kty !== 'oct';
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // `fetch` tells why in the cause.
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
