import { LastUsedRecorder, VerifyFailureRecorder } from '../index.js';
import type { Providers } from './providers.js';

/**
 * Writes at once what Sigra otherwise writes in the background within seconds: when tokens were last used, and the audit
 * rows of refused ones.
 *
 * @example
 * await request(app.getHttpServer()).get('/projects').set(bearer(rawToken));
 * await flushBackgroundWrites(app); // now lastUsedAt is in the database
 */
export async function flushBackgroundWrites(app: Providers): Promise<void> {
  await Promise.all([app.get(LastUsedRecorder).flush(), app.get(VerifyFailureRecorder).flush()]);
}
