import { HttpException, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AuditWriter } from '../audit/audit.writer.js';
import { BATCH_TIMEOUT_MS } from '../common/background-task.js';
import type { Caller } from '../common/caller.js';
import { Clock, hasExpired } from '../common/clock.js';
import { Deadline } from '../common/deadline.js';
import { type ForeignFormat, foreignTokenHash, storedPrefixOf } from '../common/foreign-formats.js';
import { distinctOwners, keyOfOwner, type Owner } from '../common/principal.js';
import { type ImportProblem, SigraError } from '../common/sigra-error.js';
import { isFor } from '../common/token-kinds.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { NewApiToken } from '../persistence/api-token.repository.js';
import { ImportedTokenRepository } from '../persistence/imported-token.repository.js';
import { ScopeCeiling } from '../owners/scope.ceiling.js';
import { OwnerDirectories } from '../persistence/owner-directories.js';
import { OwnerRepository } from '../persistence/owner.repository.js';
import { SigraDatabase } from '../persistence/sigra-database.js';
import { ownerOf } from '../persistence/tables.js';
import { ScopeRegistry } from '../scopes/scope-registry.js';
import { type HashedToken, invalid, parseDigest, parseHint, parseImportedExpiry, parsePast } from './hashed-token.js';
import { parseProperties } from './token-properties.js';

const TOKENS_PER_BATCH = 1000;
/** As many as a `UserProvider` is asked for at once. */
const OWNERS_PER_BATCH = 512;
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
  readonly ownerType: string;
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

  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly clock: Clock,
    private readonly scopes: ScopeRegistry,
    private readonly ceiling: ScopeCeiling,
    private readonly directories: OwnerDirectories,
    private readonly database: SigraDatabase,
    private readonly owners: OwnerRepository,
    private readonly tokens: ImportedTokenRepository,
    private readonly audit: AuditWriter,
  ) {
    this.formats = new Map(config.apiTokens.foreignFormats.all.map((format) => [format.name, format]));
  }

  /** Imports tokens. See `ApiTokenService.importHashed`. */
  async import(given: readonly HashedToken[], caller: Caller): Promise<ImportedTokens> {
    if (caller.principal) throw new TypeError('sigra: only the application imports tokens; call without a principal');
    const problems: ImportProblem[] = [];
    const owners = given.map((token, index) => this.ownerOfToken(token, index, problems));
    const distinct = distinctOwners(owners.filter((owner) => owner !== undefined));
    // First of all: what is revoked from now on ends what the call imports.
    const since = await this.owners.tokenEpochsOf(distinct);
    const missing = await this.missing(distinct);
    const parsed: ParsedToken[] = [];
    const byHash = new Map<string, number>();
    for (const [index, token] of given.entries()) {
      const owner = owners[index];
      try {
        if (owner && missing.has(keyOfOwner(owner))) throw new SigraError('not_found', 'The owner does not exist.');
        // Also without an owner, so that all problems of the token are found.
        const row = await this.parse(token, owner ?? { type: '', id: '' });
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
    // By owner, so that the tokens of each are counted and locked in few batches.
    const living = byOwner(parsed.filter(({ row }) => !hasExpired(row.expiresAt, now)));
    const skipped: SkippedToken[] = parsed
      .filter(({ row }) => hasExpired(row.expiresAt, now))
      .map(({ index }) => ({ index, reason: 'expired' }));
    for (let start = 0; start < living.length; start += TOKENS_PER_BATCH) {
      const batch = living.slice(start, start + TOKENS_PER_BATCH);
      skipped.push(
        ...(await this.database.retried(
          Deadline.after(BATCH_TIMEOUT_MS),
          (manager) => this.insert(manager, batch, since, caller),
          { settles: false },
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
    const owners = distinctOwners(batch.map(({ row }) => ownerOf(row)));
    // With the lock that everything takes that makes or ends tokens of these owners.
    const current = await this.owners.lock(manager, ...owners);
    const keys = owners.map(keyOfOwner);
    const ended = new Set(keys.filter((key, index) => current[index]?.tokenEpoch !== (since.get(key) ?? 0)));
    const allowed = batch.filter(({ row }) => !ended.has(keyOfOwner(ownerOf(row))));
    const [first, ...others] = allowed.map(({ row }) => ({
      ...row,
      tokenEpoch: since.get(keyOfOwner(ownerOf(row))) ?? 0,
    }));
    const inserted = first ? await this.tokens.insertNew(manager, [first, ...others]) : new Set<string>();
    await this.assertBelowCap(manager, allowed, owners);
    await this.audit.recordAll(
      manager,
      allowed
        .filter(({ row }) => inserted.has(row.id))
        .map(({ format, row }) => {
          const { id, name, scopes, allowedIps, resources, expiresAt } = row;
          return {
            action: 'api.token_import',
            targetId: id,
            targetType: 'api_token',
            owner: ownerOf(row),
            metadata: { format, name, scopes, allowedIps, resources, expiresAt },
          };
        }),
      caller,
    );
    return batch.flatMap(({ index, row }): SkippedToken[] => {
      if (ended.has(keyOfOwner(ownerOf(row)))) return [{ index, reason: 'revoked' }];
      return inserted.has(row.id) ? [] : [{ index, reason: 'imported' }];
    });
  }

  /** Counts after the insertion, so that tokens of an earlier run count once. */
  private async assertBelowCap(
    manager: EntityManager,
    batch: readonly ParsedToken[],
    owners: readonly Owner[],
  ): Promise<void> {
    const cap = this.config.apiTokens.maxActivePerOwner;
    const above = await this.tokens.ownersAbove(manager, owners, this.clock.now(), cap);
    if (above.size === 0) return;
    const message = `The owner would have more than ${cap} active tokens.`;
    throw refuseAll(
      batch
        .filter(({ row }) => above.has(keyOfOwner(ownerOf(row))))
        .map(({ index }) => ({ index, code: 'too_many_tokens', message })),
    );
  }

  private ownerOfToken({ owner }: HashedToken, index: number, problems: ImportProblem[]): Owner | undefined {
    try {
      return this.directories.ownerOf(owner);
    } catch {
      problems.push({ index, code: 'not_found', message: 'The owner has no valid id, or its type is unknown.' });
      return undefined;
    }
  }

  /** Those of some owners that do not exist, by `keyOfOwner`. */
  private async missing(owners: readonly Owner[]): Promise<ReadonlySet<string>> {
    const missing = new Set<string>();
    for (const directory of this.directories.all) {
      const { type } = directory;
      const ids = owners.filter((owner) => owner.type === type).map(({ id }) => id);
      for (let start = 0; start < ids.length; start += OWNERS_PER_BATCH) {
        const batch = await directory.missing(ids.slice(start, start + OWNERS_PER_BATCH));
        for (const id of batch) missing.add(keyOfOwner({ type, id }));
      }
    }
    return missing;
  }

  private async parse(token: HashedToken, { type: ownerType, id: ownerId }: Owner): Promise<ParsedRow> {
    const now = this.clock.now();
    const format = this.formats.get(token.format);
    if (!format) throw invalid('The format is not in apiTokens.foreignFormats.');
    const { kinds, parseMetadata } = this.config.apiTokens;
    const prefix = storedPrefixOf(format);
    const kind = kinds.of({ prefix });
    if (kind && ownerId !== '' && !isFor(kind, ownerType)) {
      throw new SigraError('invalid_kind', 'The kind of the format is not for this type of owners.');
    }
    const properties = await parseProperties(token, { scopes: this.scopes, parseMetadata });
    this.ceiling.assertKindAllows(kind, properties.scopes);
    return {
      ...properties,
      id: uuidv7(),
      ownerType,
      ownerId,
      prefix,
      hint: parseHint(token.hint),
      tokenHash: foreignTokenHash(format, parseDigest(token.hash, format)),
      descendsFrom: [],
      expiresAt: parseImportedExpiry(token.expiresAt),
      lastUsedAt: parsePast('lastUsedAt', token.lastUsedAt, now),
      createdAt: parsePast('createdAt', token.createdAt, now) ?? now,
    };
  }
}

function byOwner(parsed: readonly ParsedToken[]): readonly ParsedToken[] {
  const groups = new Map<string, ParsedToken[]>();
  for (const token of parsed) {
    const key = keyOfOwner(ownerOf(token.row));
    const group = groups.get(key);
    if (group) group.push(token);
    else groups.set(key, [token]);
  }
  return [...groups.values()].flat();
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
