/**
 * The header that presents a token, as Supertest's `set()`, `fetch()` and Fastify's `inject()` take it.
 *
 * @example
 * await request(app.getHttpServer()).get('/projects').set(bearer(rawToken));
 * await fetch(url, { headers: bearer(rawToken) });
 */
export function bearer(rawToken: string): { authorization: string } {
  return { authorization: `Bearer ${rawToken}` };
}
