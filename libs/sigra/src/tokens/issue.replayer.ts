import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Caller } from '../common/caller.js';
import type { Deadline } from '../common/deadline.js';
import { type CredentialMembers, credentialOf, stampOf } from '../common/principal.js';
import { grantResources } from '../common/resource-limit.js';
import { seal, unseal } from '../common/sealing.js';
import { isOutage, refuse, SigraError } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import { IdempotencyKeyRepository } from '../persistence/idempotency-key.repository.js';
import { type OwnerFilter, typesIn } from '../persistence/owner.repository.js';
import { type ApiToken, ownerOf } from '../persistence/tables.js';
import { assertMayGrant } from '../scopes/assert-scopes.js';

/** A new token. The raw token exists only here: show it once, and do not store it. */
export interface IssuedApiToken {
  /** The secret that clients send. */
  readonly rawToken: string;
  readonly token: ApiToken;
}

/** A request with an idempotency key. */
export interface IdempotentRequest {
  readonly key: string;
  readonly keyHash: string;
  readonly requestHash: string;
  readonly owner: OwnerFilter;
}

/** A token, and the request that it is issued for. */
export interface Issue {
  readonly request: IdempotentRequest | undefined;
  readonly issued: IssuedApiToken;
}

/** What a token is issued for: the owner of a new one, or the token that is rotated. */
export type IssueSubject =
  { readonly kind: 'create'; readonly ownerId: string } | { readonly kind: 'rotate'; readonly tokenId: string };

/** Long enough for 64 random bits in hex, and short enough for a header. Visible ASCII characters. */
const KEY = /^[!-~]{16,255}$/;

/**
 * Repeats the answer to a request that issues an API token, for a client that did not receive it. The client sends the request
 * again with the same idempotency key, within ten minutes. The raw token is sealed with the key, which is not stored.
 */
@Injectable()
export class IssueReplayer {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly answers: IdempotencyKeyRepository,
  ) {}

  /**
   * Identifies a request by its key. A key belongs to the credential that sends it, and to one subject.
   *
   * @param properties all other properties of the request: a repetition has the same ones
   * @returns undefined for a request without a key
   * @throws SigraError `invalid_idempotency_key`
   */
  identify(
    key: string | undefined,
    subject: IssueSubject,
    properties: readonly unknown[],
    owner: OwnerFilter,
    { principal }: Caller,
  ): IdempotentRequest | undefined {
    if (key === undefined) return undefined;
    if (typeof key !== 'string' || !KEY.test(key)) {
      throw refuse('invalid_idempotency_key', 'An idempotency key has 16 to 255 visible ASCII characters.');
    }
    const keyHash = this.keyHashOf(owner, subject, principal, key);
    return { key, keyHash, requestHash: hashOf(properties), owner };
  }

  /** Whether a token that has been rotated can still ask for the answer to that rotation. */
  async isRotationOf(token: ApiToken, key: string): Promise<boolean> {
    if (!KEY.test(key)) return false;
    const { ownerId: userId, id: tokenId } = token;
    const maker = { method: 'api_token', userId, tokenId, owner: ownerOf(token) } as const;
    const keyHash = this.keyHashOf(ownerOf(token), { kind: 'rotate', tokenId }, maker, key);
    const kept = await this.answers.find(keyHash);
    return kept?.token.id === token.replacedBy;
  }

  /**
   * Issues a token, or repeats the answer to an earlier request with the same key.
   *
   * @param issue calls `keep` in its transaction, so that only one of several concurrent requests commits
   * @throws SigraError `idempotency_key_reused` when the earlier request had other properties; also the errors of `issue`
   */
  async once(
    request: IdempotentRequest | undefined,
    caller: Caller,
    deadline: Deadline,
    issue: () => Promise<IssuedApiToken>,
  ): Promise<IssuedApiToken> {
    if (!request) return issue();
    const earlier = await deadline.limit(this.replay(request, caller));
    if (earlier) return earlier;
    try {
      return await issue();
    } catch (error) {
      if (error instanceof SigraError && isOutage(error)) throw error;
      // A concurrent request with the same key may have been first.
      const concurrent = await deadline.limit(this.replay(request, caller));
      if (concurrent) return concurrent;
      throw error;
    }
  }

  /** Keeps the answers to requests with a key, in the transaction that issues the tokens. */
  async keep(manager: EntityManager, ...issues: readonly Issue[]): Promise<void> {
    const answers = issues.flatMap(({ request, issued: { rawToken, token } }) => {
      if (!request) return [];
      const { key, keyHash, requestHash } = request;
      return { keyHash, requestHash, tokenId: token.id, sealedToken: seal(rawToken, key, 'idempotent answer') };
    });
    if (answers.length > 0) await this.answers.insertAll(manager, answers);
  }

  /** The hashes of the keys of requests that have an answer already. */
  async answered(
    manager: EntityManager,
    requests: readonly (IdempotentRequest | undefined)[],
  ): Promise<ReadonlySet<string>> {
    const keyHashes = requests.flatMap((request) => request?.keyHash ?? []);
    return keyHashes.length > 0 ? this.answers.findKept(manager, keyHashes) : new Set();
  }

  /** Identifies a key of a credential for a subject. */
  private keyHashOf(
    { type }: OwnerFilter,
    subject: IssueSubject,
    maker: CredentialMembers | undefined,
    key: string,
  ): string {
    const credential = maker ? credentialOf(maker) : 'application';
    if (!credential) {
      throw refuse('invalid_idempotency_key', 'An idempotency key belongs to one credential, and this one has no id.');
    }
    const users = this.config.users.type;
    // A token that is rotated has a unique id.
    const ofSubject = subject.kind === 'rotate' ? users : type;
    const ofMaker = maker ? typeOf(maker, users) : users;
    // Users of two modules can have the same id, and manage the same organization.
    return hashOf([ofSubject, subject, credential, key, ...(ofMaker === ofSubject ? [] : [ofMaker])]);
  }

  private async replay(
    { key, keyHash, requestHash, owner }: IdempotentRequest,
    { principal }: Caller,
  ): Promise<IssuedApiToken | undefined> {
    const kept = await this.answers.find(keyHash);
    if (!kept) return undefined;
    const { answer, token } = kept;
    if (!typesIn(owner).includes(token.ownerType)) return undefined;
    if (owner.id !== undefined && owner.id !== token.ownerId) return undefined;
    if (answer.requestHash !== requestHash) {
      throw refuse('idempotency_key_reused', 'The idempotency key was used for a request with other properties.');
    }
    assertMayGrant(principal, token.scopes, this.config.apiTokens.rules);
    // The credential of the host can have lost resources since.
    grantResources(token.resources, principal?.resources ?? null);
    return { rawToken: unseal(answer.sealedToken, key, 'idempotent answer'), token };
  }
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

function typeOf(maker: CredentialMembers, usersType: string): string {
  return (stampOf(maker) ?? maker).owner?.type ?? usersType;
}
