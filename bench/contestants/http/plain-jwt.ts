import { randomUUID } from 'node:crypto';
import {
  type CanActivate,
  type ExecutionContext,
  Injectable,
  type INestApplication,
  UnauthorizedException,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { JwtModule, JwtService } from '@nestjs/jwt';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { userId } from '../../harness/tokens.js';
import { JWT_SECRET, typeOrmModule, User } from '../host.js';
import { bearer, type HttpFactory, type Visitor } from './contestant.js';

interface GuardedRequest {
  readonly headers: { readonly authorization?: string };
  user?: unknown;
}

interface Claims {
  readonly sub: string;
}

/** The guard of Nest's chapter on authentication. It does not use the database. */
@Injectable()
class PlainJwtGuard implements CanActivate {
  constructor(private readonly jwt: JwtService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<GuardedRequest>();
    request.user = await this.userOf(await this.claimsOf(request));
    return true;
  }

  protected userOf({ sub }: Claims): unknown {
    return { id: sub };
  }

  private async claimsOf({ headers }: GuardedRequest): Promise<Claims> {
    const [type, token = ''] = headers.authorization?.split(' ') ?? [];
    if (type !== 'Bearer') throw new UnauthorizedException();
    try {
      return await this.jwt.verifyAsync<Claims>(token);
    } catch {
      throw new UnauthorizedException();
    }
  }
}

/** The same guard, which also reads the user, to refuse disabled users. */
@Injectable()
class PlainJwtUserGuard extends PlainJwtGuard {
  constructor(
    jwt: JwtService,
    @InjectRepository(User) private readonly users: Repository<User>,
  ) {
    super(jwt);
  }

  protected override async userOf({ sub }: Claims): Promise<User> {
    const user = await this.users.findOne({ where: { id: sub } });
    if (user?.disabledAt !== null) throw new UnauthorizedException();
    return user;
  }
}

const jwtModule = JwtModule.register({
  secret: JWT_SECRET,
  signOptions: { algorithm: 'HS256', expiresIn: 3600 },
  verifyOptions: { algorithms: ['HS256'] },
});

/** The claims of Sigra's access tokens, so that both have the same length. */
const credential = async ({ user }: Visitor, app: INestApplication) => {
  const fixed = { scope: 'read:projects write:projects', epoch: 0, client_id: 'api', iss: 'https://bench.example' };
  const claims = { ...fixed, aud: 'api', sub: userId(user), jti: randomUUID(), sid: randomUUID() };
  return bearer(await app.get(JwtService, { strict: false }).signAsync(claims));
};

export const plainJwt: HttpFactory = () => ({
  module: { imports: [jwtModule], providers: [{ provide: APP_GUARD, useClass: PlainJwtGuard }] },
  credential,
});

export const plainJwtUser: HttpFactory = (databases) => ({
  module: {
    imports: [typeOrmModule(databases.sigra), TypeOrmModule.forFeature([User]), jwtModule],
    providers: [{ provide: APP_GUARD, useClass: PlainJwtUserGuard }],
  },
  credential,
});
