import { Injectable, NotFoundException } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { type ApiToken, ApiTokenEntity, Clock } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import type { User } from '../users/user.entity.js';

/** Reads single tokens through the library's entity: the token service only lists and changes tokens. */
@Injectable()
export class OwnTokensService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  /** @throws NotFoundException if the user has no such token, or if it is revoked or expired */
  async findActive(user: User, id: string): Promise<Omit<ApiToken, 'kind'>> {
    const token = isUUID(id) && (await this.dataSource.manager.findOneBy(ApiTokenEntity, { id, ownerId: user.id }));
    const dead =
      !token || token.revokedAt !== null || (token.expiresAt !== null && token.expiresAt <= this.clock.now());
    if (dead) throw new NotFoundException('You have no such active token. It may already be revoked.');
    return token;
  }
}
