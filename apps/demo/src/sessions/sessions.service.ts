import { Injectable } from '@nestjs/common';
import { AuditService, type Caller } from 'nestjs-sigra';
import { UsersService } from '../users/users.service.js';
import type { BrowserSession, SessionHolder } from './browser-session.js';

/** Signs users in and out, for the API and for the pages. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly users: UsersService,
    private readonly audit: AuditService,
  ) {}

  /** @returns whether email and password are right, so that the session now belongs to the user */
  async signIn(holder: SessionHolder, credentials: { email: string; password: string }, caller: Caller) {
    const user = await this.users.authenticate(credentials.email, credentials.password);
    if (!user) return false;
    // A new id: an attacker who planted the old one must not share the session.
    await regenerate(holder.current);
    holder.current.userId = user.id;
    await saveSession(holder.current);
    await this.log('session.sign_in', user.id, caller);
    return true;
  }

  async signOut(holder: SessionHolder, caller: Caller): Promise<void> {
    const { userId } = holder.current;
    await destroy(holder.current);
    if (userId !== undefined) await this.log('session.sign_out', userId, caller);
  }

  private log(action: string, actorId: string, { ipAddress, userAgent }: Caller): Promise<void> {
    return this.audit.log(action, { actorId, ipAddress, userAgent });
  }
}

const regenerate = (session: BrowserSession) => settled((done) => session.regenerate(done));
/** Saves a session before the answer. */
export const saveSession = (session: BrowserSession) => settled((done) => session.save(done));
const destroy = (session: BrowserSession) => settled((done) => session.destroy(done));

/** Turns a callback of express-session into a promise. */
function settled(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error ? reject(error) : resolve()));
  });
}
