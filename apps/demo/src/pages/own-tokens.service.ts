import { Injectable, NotFoundException } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { ApiTokenEntity, Clock } from 'nestjs-sigra';
import { DataSource, In } from 'typeorm';
import type { User } from '../users/user.entity.js';

/** Reads single tokens for the pages, from the library's entity: the token service lists and changes them. */
@Injectable()
export class OwnTokensService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  /** @throws NotFoundException also for a token that is somebody else's, or dead */
  async findActive(user: User, id: string): Promise<ApiTokenEntity> {
    const token = isUUID(id) && (await this.dataSource.manager.findOneBy(ApiTokenEntity, { id, userId: user.id }));
    const dead =
      !token || token.revokedAt !== null || (token.expiresAt !== null && token.expiresAt <= this.clock.now());
    if (dead) throw new NotFoundException('You have no active token of that kind. It may have been revoked already.');
    return token;
  }

  /** The names of tokens by their ids, as far as they still exist. */
  async namesOf(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const tokens = await this.dataSource.manager.find(ApiTokenEntity, {
      where: { id: In(ids) },
      select: { id: true, name: true },
    });
    return new Map(tokens.map(({ id, name }) => [id, name]));
  }
}
