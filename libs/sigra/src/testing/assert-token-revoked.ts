import { AssertionError } from 'node:assert';
import type { DataSource } from 'typeorm';
import {
  type ApiToken,
  ApiTokenEntity,
  ApiTokenService,
  type IssuedApiToken,
  SIGRA_DATA_SOURCE,
  SigraError,
} from '../index.js';
import type { Providers } from './providers.js';

/**
 * Asserts that a token is refused as revoked, not merely as unknown or expired, which HTTP answers do not tell apart.
 *
 * A raw token is verified, as a request would be: that leaves the audit row of a refusal. A token without its raw form is
 * looked up in the database.
 *
 * @param token the raw token, the token, or both as they were issued
 * @throws AssertionError, in whose message there is no raw token
 * @throws SigraError `unavailable`
 *
 * @example
 * await request(app.getHttpServer()).delete(`/api/tokens/${token.id}`).set(bearer(rawToken)).expect(204);
 * await assertTokenRevoked(app, rawToken);
 */
export async function assertTokenRevoked(
  app: Providers,
  token: string | IssuedApiToken | Pick<ApiToken, 'id'>,
): Promise<void> {
  const state =
    typeof token === 'string'
      ? await refusalOf(app, token)
      : 'rawToken' in token
        ? await refusalOf(app, token.rawToken)
        : await stateOf(app, token.id);
  if (state.code === 'token_revoked') return;
  throw new AssertionError({
    message: `The token is not revoked: ${state.description}`,
    actual: state.code,
    expected: 'token_revoked',
    operator: assertTokenRevoked.name,
    stackStartFn: assertTokenRevoked,
  });
}

interface TokenState {
  readonly code: string;
  readonly description: string;
}

async function refusalOf(app: Providers, rawToken: string): Promise<TokenState> {
  try {
    const { id, name } = await app.get(ApiTokenService).verify(rawToken);
    return { code: 'accepted', description: `${id} ("${name}") is accepted.` };
  } catch (error) {
    if (!(error instanceof SigraError) || error.code === 'unavailable') throw error;
    return { code: error.code, description: `it is refused as ${error.code}. ${error.message}` };
  }
}

async function stateOf(app: Providers, id: string): Promise<TokenState> {
  const row = await app.get<DataSource>(SIGRA_DATA_SOURCE).getRepository(ApiTokenEntity).findOneBy({ id });
  if (!row) return { code: 'not_found', description: `there is no token ${id}.` };
  if (row.revokedAt) return { code: 'token_revoked', description: 'it is.' };
  const end = row.expiresAt ? `expires at ${row.expiresAt.toISOString()}` : 'never expires';
  return { code: 'not_revoked', description: `${id} ("${row.name}") has no time of revocation, and ${end}.` };
}
