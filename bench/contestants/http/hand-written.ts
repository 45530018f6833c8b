import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { Strategy } from 'passport-http-bearer';
import { Repository } from 'typeorm';
import { rawToken } from '../../harness/tokens.js';
import { HandWrittenToken } from '../api-token.entity.js';
import { typeOrmModule, User } from '../host.js';
import { isLive } from '../is-live.js';
import { bearer, type HttpFactory } from './contestant.js';

/** The guard of Nest's chapter on Passport. */
@Injectable()
class HandWrittenStrategy extends PassportStrategy(Strategy, 'bearer') {
  constructor(
    @InjectRepository(HandWrittenToken) private readonly tokens: Repository<HandWrittenToken>,
    @InjectRepository(User) private readonly users: Repository<User>,
  ) {
    super();
  }

  async validate(credential: string): Promise<User | null> {
    const tokenHash = createHash('sha256').update(credential).digest();
    const token = await this.tokens.findOne({ where: { tokenHash } });
    if (!isLive(token)) return null;
    const user = await this.users.findOne({ where: { id: token.userId } });
    return user?.disabledAt === null ? user : null;
  }
}

export const handWritten: HttpFactory = (databases) => ({
  module: {
    imports: [typeOrmModule(databases.sigra), TypeOrmModule.forFeature([HandWrittenToken, User]), PassportModule],
    providers: [HandWrittenStrategy, { provide: APP_GUARD, useClass: AuthGuard('bearer') }],
  },
  credential: ({ token }) => bearer(rawToken(token)),
});
