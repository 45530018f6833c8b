import { Injectable } from '@nestjs/common';
import type { Principal } from '../common/principal.js';
import { refuse } from '../common/sigra-error.js';
import { InjectSigraConfig, type SigraConfig } from '../config/sigra-config.js';
import type { SessionRequest } from '../config/sigra-options.js';
import { UserDirectory } from '../persistence/user-directory.js';
import type { HttpRequest } from './http-exchange.js';
import { mayActWithCookie } from './same-origin.js';

/** Turns the host's browser session into a principal. */
@Injectable()
export class SessionAuthenticator {
  constructor(
    @InjectSigraConfig() private readonly config: SigraConfig,
    private readonly users: UserDirectory,
  ) {}

  /**
   * @returns nothing when nobody is signed in, or the user is gone or inactive
   * @throws SigraError `cross_origin` for an unsafe method from another origin, `unavailable`
   */
  async authenticate(request: HttpRequest): Promise<Principal | undefined> {
    const { session } = this.config;
    const id = await session?.userId(request as unknown as SessionRequest);
    if (!session || id === undefined || id === null || id === '') return undefined;
    if (!mayActWithCookie(request, session.trustedOrigins)) {
      throw refuse('cross_origin', 'A session may only change something from the pages of this origin.');
    }
    const user = await this.users.findActive(String(id));
    return user && { user, userId: this.users.idOf(user), method: 'session', scopes: session.scopes };
  }
}
