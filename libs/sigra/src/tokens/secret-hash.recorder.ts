import { Injectable } from '@nestjs/common';
import { detached } from '../common/detached-text.js';
import { ImportedTokenRepository, type SecretOfToken } from '../persistence/imported-token.repository.js';
import type { ApiToken } from '../persistence/tables.js';
import { BackgroundRecorder } from './background.recorder.js';

/** The most tokens that wait for one flush. The others are recorded at their next use. */
const MAX_PENDING = 5000;

/** Records the fast hashes of imported tokens whose own digest is slow, so that each token pays for it once. */
@Injectable()
export class SecretHashRecorder extends BackgroundRecorder {
  /** By hash: two rows never get the same one. */
  private pending = new Map<string, SecretOfToken>();

  constructor(private readonly tokens: ImportedTokenRepository) {
    super('The fast hash of some imported tokens was not recorded');
  }

  /** Records the hash of a token that has been used. */
  record({ id }: ApiToken, secretHash: string): void {
    if (this.pending.size >= MAX_PENDING) return;
    this.pending.set(secretHash, { id: detached(id), secretHash });
    this.requestWrite();
  }

  protected get unwritten(): number {
    return this.pending.size;
  }

  protected async write(): Promise<void> {
    const secrets = [...this.pending.values()];
    this.pending = new Map();
    if (secrets.length === 0) return;
    try {
      await this.tokens.setSecrets(secrets);
    } catch (cause) {
      throw new Error(`${secrets.length} token(s): ${String(cause)}`, { cause });
    }
  }
}
