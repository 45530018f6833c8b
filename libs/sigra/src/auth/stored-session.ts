import { refuse } from '../common/sigra-error.js';
import type { SessionRequest } from '../config/sigra-options.js';

/** The store of `express-session` and of `@fastify/session`. */
interface SessionStore {
  get(id: string, callback: (error: unknown, session?: unknown) => void): unknown;
}

/** A request on which one of these libraries has loaded a session. */
interface SessionHolder {
  readonly sessionStore?: Partial<SessionStore>;
  /** Of `express-session`. */
  readonly sessionID?: unknown;
  /** Of `@fastify/session`. */
  readonly session?: { readonly sessionId?: unknown };
}

/**
 * A request with its session as it is in the store now. The library reads it once a request, before the body arrives, which can
 * take as long as the client wants.
 *
 * @returns the request itself where the session has no store, such as a session in a cookie
 * @throws SigraError `unavailable` when the store does not answer
 */
export async function withStoredSession(request: SessionRequest): Promise<SessionRequest> {
  const { raw } = request as { readonly raw?: object };
  for (const holder of [request, raw] as readonly (SessionHolder | undefined)[]) {
    const { sessionStore, sessionID, session } = holder ?? {};
    const id = sessionID ?? session?.sessionId;
    if (!holder || typeof sessionStore?.get !== 'function' || typeof id !== 'string') continue;
    const stored = { session: { value: await read(sessionStore as SessionStore, id) } };
    const derived = Object.create(holder, stored) as object;
    return (holder === raw ? Object.create(request, { raw: { value: derived } }) : derived) as SessionRequest;
  }
  return request;
}

async function read(store: SessionStore, id: string): Promise<unknown> {
  try {
    return await new Promise((resolve, reject) => {
      store.get(id, (error, session) => {
        if (error === null || error === undefined) resolve(session ?? undefined);
        else reject(new Error('The session store failed.', { cause: error }));
      });
    });
  } catch (cause) {
    throw refuse('unavailable', 'The session store did not answer.', { cause });
  }
}
