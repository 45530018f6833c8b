import type { INestApplicationContext } from '@nestjs/common';
import { LastUsedRecorder } from '../tokens/last-used.recorder.js';
import { UsageRecorder } from '../tokens/usage.recorder.js';
import { VerifyFailureRecorder } from '../tokens/verify-failure.recorder.js';

/** The application under test: a Nest application, its context, or a `TestingModule`. */
export type Providers = Pick<INestApplicationContext, 'get'>;

/**
 * Writes at once what Sigra otherwise writes in the background within seconds: the last use of tokens, the counts of their
 * requests, and the audit rows of refused tokens.
 *
 * @example
 * await request(app.getHttpServer()).get('/projects').set(bearer(rawToken));
 * await flushBackgroundWrites(app); // now lastUsedAt is in the database
 */
export async function flushBackgroundWrites(app: Providers): Promise<void> {
  await Promise.all([LastUsedRecorder, UsageRecorder, VerifyFailureRecorder].map((each) => app.get(each).flush()));
}
