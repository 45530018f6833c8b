import { HttpException, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditWriter } from '../audit/audit.writer.js';
import type { Caller } from '../common/caller.js';
import { Clock, hasExpired } from '../common/clock.js';
import { Deadline } from '../common/deadline.js';
import { type ForeignFormat, foreignTokenHash, storedPrefixOf } from '../common/foreign-formats.js';
import { type ImportProblem, SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { NewApiToken } from '../persistence/api-token.repository.js';
import { ImportedTokenRepository } from '../persistence/imported-token.repository.js';
import { OwnerRepository } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { UserDirectory } from '../persistence/user-directory.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { type HashedToken, invalid, parseDigest, parseHint, parseImportedExpiry, parsePast } from './hashed-token.js';
import { parseProperties } from './token-properties.js';

const TOKENS_PER_BATCH = 1000;
/** As many as a `UserProvider` is asked for at once. */
const OWNERS_PER_BATCH = 512;
/** For the transaction of a batch. No request waits for it. */
const BATCH_TIMEOUT_MS = 30_000;
/** The most problems that the message of an error lists. */
const MAX_LISTED = 20;

/** Why a token was not imported. */
export interface SkippedToken {
  /** In the array of tokens. */
  readonly index: number;
  /**
   * `imported`: its hash is stored already. `expired`: its expiry is over. `revoked`: all tokens of its owner were revoked
   * while the import ran.
   */
  readonly reason: 'imported' | 'expired' | 'revoked';
}

/** What an import has done. */
export interface ImportedTokens {
  readonly imported: number;
  /** By index. */
  readonly skipped: readonly SkippedToken[];
}

/** A row to insert, without the epoch of its owner. */
interface ParsedRow extends Omit<NewApiToken, 'tokenEpoch'> {
  readonly id: string;
  readonly ownerId: string;
  readonly tokenHash: string;
  readonly expiresAt: Date | null;
}

interface ParsedToken {
  readonly index: number;
  readonly format: string;
  readonly row: ParsedRow;
}

/** Imports the hashes of tokens that another system has made. Only code of the application can call it. */
@Injectable()
export class HashedTokenImporter {
  private readonly formats: ReadonlyMap<string, ForeignFormat>;
  private readonly type: string;

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly scopes: ScopeRegistry,
    private readonly users: UserDirectory,
    private readonly database: SigraDatabase,
    private readonly owners: OwnerRepository,
    private readonly tokens: ImportedTokenRepository,
    private readonly audit: AuditWriter,
  ) {
    this.formats = new Map(config.apiTokens.foreignFormats.all.map((format) => [format.name, format]));
    this.type = config.users.type;
  }

  /** Imports tokens. See `ApiTokenService.importHashed`. */
  async import(given: readonly HashedToken[], caller: Caller): Promise<ImportedTokens> {
    if (caller.principal) throw new TypeError('sigra: only the application imports tokens; call without a principal');
    const problems: ImportProblem[] = [];
    const ownerIds = given.map((token, index) => this.ownerIdOf(token, index, problems));
    const distinct = [...new Set(ownerIds)].filter((id) => id !== '');
    // First of all: what is revoked from now on ends what the call imports.
    const since = await this.owners.tokenEpochsOf(distinct);
    const missing = await this.missing(distinct);
    const parsed: ParsedToken[] = [];
    const byHash = new Map<string, number>();
    for (const [index, token] of given.entries()) {
      const ownerId = ownerIds[index] ?? '';
      try {
        if (missing.has(ownerId)) throw new SigraError('not_found', 'The owner does not exist.');
        const row = await this.parse(token, ownerId);
        const twin = byHash.get(row.tokenHash);
        if (twin !== undefined) throw invalid(`The hash is that of token ${twin}.`);
        byHash.set(row.tokenHash, index);
        parsed.push({ index, format: token.format, row });
      } catch (error) {
        problems.push(problemOf(index, error));
      }
    }
    if (problems.length > 0) throw refuseAll(problems);
    return this.write(parsed, since, caller);
  }

  private async write(
    parsed: readonly ParsedToken[],
    since: ReadonlyMap<string, number>,
    caller: Caller,
  ): Promise<ImportedTokens> {
    const now = this.clock.now();
    const living = parsed.filter(({ row }) => !hasExpired(row.expiresAt, now));
    const skipped: SkippedToken[] = parsed
      .filter(({ row }) => hasExpired(row.expiresAt, now))
      .map(({ index }) => ({ index, reason: 'expired' }));
    for (let start = 0; start < living.length; start += TOKENS_PER_BATCH) {
      const batch = living.slice(start, start + TOKENS_PER_BATCH);
      skipped.push(
        ...(await this.database.retried(Deadline.after(BATCH_TIMEOUT_MS), (manager) =>
          this.insert(manager, batch, since, caller),
        )),
      );
    }
    const byIndex = skipped.sort((one, other) => one.index - other.index);
    return { imported: parsed.length - skipped.length, skipped: byIndex };
  }

  /** @returns the tokens that were not inserted */
  private async insert(
    manager: EntityManager,
    batch: readonly ParsedToken[],
    since: ReadonlyMap<string, number>,
    caller: Caller,
  ): Promise<readonly SkippedToken[]> {
    const ids = [...new Set(batch.map(({ row }) => row.ownerId))];
    // With the lock that everything takes that makes or ends tokens of these owners.
    const current = await this.owners.lock(manager, ...ids.map((id) => ({ type: this.type, id })));
    const ended = new Set(ids.filter((id, index) => current[index]?.tokenEpoch !== (since.get(id) ?? 0)));
    const allowed = batch.filter(({ row }) => !ended.has(row.ownerId));
    const [first, ...others] = allowed.map(({ row }) => ({
      ...row,
      tokenEpoch: since.get(row.ownerId) ?? 0,
    }));
    const inserted = first ? await this.tokens.insertNew(manager, [first, ...others]) : new Set<string>();
    await this.assertBelowCap(manager, allowed, ids);
    await this.audit.recordAll(
      manager,
      allowed
        .filter(({ row }) => inserted.has(row.id))
        .map(({ format, row: { id, ownerId, name, scopes, allowedIps, resources, expiresAt } }) => ({
          action: 'api.token_import',
          targetId: id,
          targetType: 'api_token',
          metadata: { userId: ownerId, format, name, scopes, allowedIps, resources, expiresAt },
        })),
      caller,
    );
    return batch.flatMap(({ index, row }): SkippedToken[] => {
      if (ended.has(row.ownerId)) return [{ index, reason: 'revoked' }];
      return inserted.has(row.id) ? [] : [{ index, reason: 'imported' }];
    });
  }

  /** Counts after the insertion, so that tokens of an earlier run count once. */
  private async assertBelowCap(
    manager: EntityManager,
    batch: readonly ParsedToken[],
    ids: readonly string[],
  ): Promise<void> {
    const cap = this.config.apiTokens.maxActivePerOwner;
    const above = await this.tokens.ownersAbove(manager, ids, this.clock.now(), cap);
    if (above.size === 0) return;
    const message = `The owner would have more than ${cap} active tokens.`;
    throw refuseAll(
      batch
        .filter(({ row }) => above.has(row.ownerId))
        .map(({ index }) => ({ index, code: 'too_many_tokens', message })),
    );
  }

  private ownerIdOf({ owner }: HashedToken, index: number, problems: ImportProblem[]): string {
    try {
      return this.users.idOf(owner);
    } catch {
      problems.push({ index, code: 'not_found', message: 'The owner has no valid id.' });
      return '';
    }
  }

  private async missing(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const missing = new Set<string>();
    for (let start = 0; start < ids.length; start += OWNERS_PER_BATCH) {
      for (const id of await this.users.missing(ids.slice(start, start + OWNERS_PER_BATCH))) missing.add(id);
    }
    return missing;
  }

  private async parse(token: HashedToken, ownerId: string): Promise<ParsedRow> {
    const now = this.clock.now();
    const format = this.formats.get(token.format);
    if (!format) throw invalid('The format is not in apiTokens.foreignFormats.');
    const { parseMetadata } = this.config.apiTokens;
    const properties = await parseProperties(token, { scopes: this.scopes, parseMetadata });
    return {
      ...properties,
      id: uuidv7(),
      ownerType: this.type,
      ownerId,
      prefix: storedPrefixOf(format),
      hint: parseHint(token.hint),
      tokenHash: foreignTokenHash(format, parseDigest(token.hash, format)),
      descendsFrom: [],
      expiresAt: parseImportedExpiry(token.expiresAt),
      lastUsedAt: parsePast('lastUsedAt', token.lastUsedAt, now),
      createdAt: parsePast('createdAt', token.createdAt, now) ?? now,
    };
  }
}

/** Only a refusal is a problem of the token. The application can refuse metadata with an error of its own. */
function problemOf(index: number, error: unknown): ImportProblem {
  if (!(error instanceof HttpException) || error.getStatus() >= 500) throw error;
  return { index, code: error instanceof SigraError ? error.code : 'invalid_metadata', message: error.message };
}

function refuseAll(problems: readonly ImportProblem[]): SigraError {
  const sorted = [...problems].sort((one, other) => one.index - other.index);
  const listed = sorted.slice(0, MAX_LISTED).map(({ index, message }) => `token ${index}: ${message}`);
  const rest = sorted.length > MAX_LISTED ? ` And ${sorted.length - MAX_LISTED} more.` : '';
  return new SigraError('invalid_import', `${listed.join(' ')}${rest}`, { problems: sorted });
}
