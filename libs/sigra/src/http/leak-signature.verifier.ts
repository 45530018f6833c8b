import { Injectable } from '@nestjs/common';
import { type KeyObject, verify } from 'node:crypto';
import { headerOf, type HttpRequest } from '../auth/http-exchange.js';
import { Clock } from '../common/clock.js';
import { readDocument } from '../common/remote-document.js';
import { MAX_KEYS, RemoteKeys } from '../common/remote-keys.js';
import { refuse } from '../common/sigra-error.js';
import { GITHUB_KEYS, p256Key } from '../config/leaks.section.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';

/** In seconds. */
const KEYS_MAX_AGE = 86_400;
/** In milliseconds. GitHub answers 60 requests an hour, which the nodes behind one address share. */
const COOL_DOWN = 300_000;

type Keys = ReadonlyMap<string, KeyObject>;

/** Verifies who sent a report: ECDSA of P-256 with SHA-256 over the bytes of its body, as GitHub signs them. */
@Injectable()
export class LeakSignatureVerifier {
  /** Undefined when the configuration has the keys. */
  private readonly published: RemoteKeys<Keys> | undefined;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
  ) {
    const { keys, keysUrl: url = GITHUB_KEYS } = config.leaks;
    if (keys) return;
    this.published = new RemoteKeys({
      context: LeakSignatureVerifier.name,
      name: url,
      role: 'scanner',
      maxAge: KEYS_MAX_AGE,
      coolDown: COOL_DOWN,
      read: (signal) => readKeys(url, signal),
    });
  }

  /** @throws SigraError `invalid_signature`; `unavailable` when the keys cannot be read */
  async assertSigned(request: HttpRequest, body: Buffer): Promise<void> {
    const id = headerOf(request, 'github-public-key-identifier');
    const signature = headerOf(request, 'github-public-key-signature');
    const key = id !== undefined && signature !== undefined ? await this.keyOf(id) : undefined;
    if (key && signature !== undefined && isSigned(body, key, signature)) return;
    throw refuse('invalid_signature', 'The report is not signed by a known key.');
  }

  private async keyOf(id: string): Promise<KeyObject | undefined> {
    if (!this.published) return this.config.leaks.keys?.get(id);
    const moment = { now: this.clock.now(), timeout: this.config.lookupTimeout };
    const current = await this.published.current(moment);
    return current.get(id) ?? (await this.published.after(current, moment))?.get(id);
  }
}

function isSigned(body: Buffer, key: KeyObject, signature: string): boolean {
  return verify('sha256', body, { key, dsaEncoding: 'der' }, Buffer.from(signature, 'base64'));
}

async function readKeys(url: string, signal: AbortSignal): Promise<Keys> {
  const { public_keys: published } = await readDocument(url, signal);
  if (!Array.isArray(published) || published.length > MAX_KEYS) {
    throw new Error(`${url} has no array of at most ${MAX_KEYS} public_keys`);
  }
  const keys = new Map<string, KeyObject>();
  for (const each of published as unknown[]) {
    const { key_identifier: id, key: pem } = Object(each) as {
      readonly key_identifier?: unknown;
      readonly key?: unknown;
    };
    const key = p256Key(pem);
    if (typeof id === 'string' && key) keys.set(id, key);
  }
  return keys;
}
