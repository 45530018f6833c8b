import { AssertionError } from 'node:assert';
import { isDeepStrictEqual } from 'node:util';
import { type HttpAnswer, type ReadAnswer, readHttpAnswer } from './http.js';

/**
 * Asserts that a request was refused because of missing scopes: 403 with `error="insufficient_scope"` in
 * `WWW-Authenticate` (RFC 6750 section 3.1).
 *
 * @param answer the response of Supertest, `fetch()` or Fastify's `inject()`, or its promise
 * @param scopes all scopes that the credential lacked, in any order. @default undefined, not compared
 * @throws AssertionError
 *
 * @example
 * const { rawToken } = await scopedApiToken(app, user, ['read:projects']);
 * const response = await request(app.getHttpServer()).post('/projects').set(bearer(rawToken));
 * await assertScopeDenied(response, ['write:projects']);
 */
export async function assertScopeDenied(
  answer: HttpAnswer | PromiseLike<HttpAnswer>,
  scopes?: readonly string[],
): Promise<void> {
  const read = await readHttpAnswer(await answer);
  if (read.status !== 403) {
    throw failure(`The answer is ${read.status}, not 403 insufficient_scope.`, read, read.status, 403);
  }
  if (!/\berror="insufficient_scope"/.test(read.challenge)) {
    const expected = 'error="insufficient_scope"';
    throw failure('The answer is 403, but not insufficient_scope.', read, read.challenge, expected);
  }
  if (scopes === undefined) return;
  if (read.body === undefined) {
    const message =
      'The body lists the missing scopes, but the test has already read it: call assertScopeDenied first.';
    throw failure(message, read, undefined, scopes);
  }
  const missing = missingScopesOf(read.body);
  if (!isDeepStrictEqual(missing, sorted(scopes))) {
    throw failure(`The missing scopes are not [${scopes.join(', ')}].`, read, missing, sorted(scopes));
  }
}

/** Undefined if the body lists no missing scopes. */
function missingScopesOf(body: string): readonly string[] | undefined {
  try {
    const { missing } = JSON.parse(body) as { missing?: unknown };
    return Array.isArray(missing) ? sorted(missing.map(String)) : undefined;
  } catch {
    return undefined;
  }
}

function sorted(scopes: readonly string[]): readonly string[] {
  return [...new Set(scopes)].sort();
}

function failure(message: string, { challenge, body }: ReadAnswer, actual: unknown, expected: unknown): AssertionError {
  const seen = [`WWW-Authenticate: ${challenge || '(none)'}`, `Body: ${body ?? '(already read)'}`];
  return new AssertionError({
    message: [message, ...seen].join('\n'),
    actual,
    expected,
    operator: assertScopeDenied.name,
    stackStartFn: failure,
  });
}
