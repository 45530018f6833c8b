import { Injectable } from '@nestjs/common';
import { AuditService } from 'nestjs-sigra';
import { UsersService } from '../users/users.service.js';
import type { Visitor } from '../visitor.decorator.js';
import type { BrowserSession, SessionHolder } from './browser-session.js';

/** Signing in and out, for the API and for the pages. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly users: UsersService,
    private readonly audit: AuditService,
  ) {}

  /** @returns whether email and password were right, and the session is now the user's */
  async signIn(holder: SessionHolder, credentials: { email: string; password: string }, visitor: Visitor) {
    const user = await this.users.authenticate(credentials.email, credentials.password);
    if (!user) return false;
    // A new id: whoever planted the old one must not share the session.
    await regenerate(holder.current);
    holder.current.userId = user.id;
    await save(holder.current);
    await this.audit.log('session.sign_in', { actorId: user.id, ...visitor });
    return true;
  }

  async signOut(holder: SessionHolder, visitor: Visitor): Promise<void> {
    const { userId } = holder.current;
    await destroy(holder.current);
    if (userId !== undefined) await this.audit.log('session.sign_out', { actorId: userId, ...visitor });
  }
}

const regenerate = (session: BrowserSession) => settled((done) => session.regenerate(done));
const save = (session: BrowserSession) => settled((done) => session.save(done));
const destroy = (session: BrowserSession) => settled((done) => session.destroy(done));

/** express-session's callbacks as promises. */
function settled(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error ? reject(error) : resolve()));
  });
}
