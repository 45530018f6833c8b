import { Injectable } from '@nestjs/common';
import { ApiTokenEntity } from 'nestjs-sigra';
import { DataSource, In } from 'typeorm';
import type { User } from '../users/user.entity.js';

/** What people recognize a token by. */
export interface TokenLabel {
  readonly id: string;
  readonly name: string;
  /** Prefix and hint: the beginning of the raw token. */
  readonly serial: string;
}

/** The most tokens that a list to choose from shows. */
const MOST = 200;

/** Names tokens for people, also revoked ones, which the token service does not list. */
@Injectable()
export class TokenLabelsService {
  constructor(private readonly dataSource: DataSource) {}

  /** The labels of tokens by id, without those that clean-up has deleted. */
  async of(ids: readonly string[]): Promise<ReadonlyMap<string, TokenLabel>> {
    const tokens = await this.dataSource.manager.find(ApiTokenEntity, { where: { id: In(ids) } });
    return new Map(tokens.map((token) => [token.id, labelOf(token)]));
  }

  /** The newest tokens of a user. */
  async ofUser({ id: ownerId }: User): Promise<TokenLabel[]> {
    const where = { ownerType: 'user', ownerId };
    const order = { createdAt: 'DESC', id: 'DESC' } as const;
    return (await this.dataSource.manager.find(ApiTokenEntity, { where, order, take: MOST })).map(labelOf);
  }

  /** Whether a user has this token, revoked or not. */
  isOfUser({ id: ownerId }: User, id: string): Promise<boolean> {
    return this.dataSource.manager.existsBy(ApiTokenEntity, { id, ownerType: 'user', ownerId });
  }
}

function labelOf({ id, name, prefix, hint }: { id: string; name: string; prefix: string; hint: string }): TokenLabel {
  return { id, name, serial: `${prefix}${hint}…` };
}
