import type { HttpReply } from '../http-reply.js';
import { SESSION_COOKIE } from './session.middleware.js';

/** Tells the browser to drop the cookie of a session that has ended. */
export function forgetSessionCookie(reply: HttpReply): void {
  reply.header('Set-Cookie', `${SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`);
}
