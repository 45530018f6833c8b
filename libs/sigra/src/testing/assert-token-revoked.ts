import { AssertionError } from 'node:assert';
import type { DataSource } from 'typeorm';
import { SigraError } from '../common/sigra-error.js';
import { ApiTokenEntity } from '../persistence/sigra-entities.js';
import { SIGRA_DATA_SOURCE } from '../persistence/sigra-database.js';
import type { ApiToken } from '../persistence/tables.js';
import type { IssuedApiToken } from '../tokens/issue.replayer.js';
import { ApiTokenService } from '../tokens/api-token.service.js';
import type { Providers } from './flush-background-writes.js';

/**
 * Asserts that a token is refused because it is revoked, and not because it is unknown or expired: HTTP answers do not
 * show the difference.
 *
 * A raw token is verified, as in a request, and a refusal is recorded in the audit trail. A token without its raw form is
 * looked up in the database.
 *
 * @param token the raw token, the token, or both as they were issued
 * @throws AssertionError, whose message contains no raw token
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
      ? await verifiedState(app, token)
      : 'rawToken' in token
        ? await verifiedState(app, token.rawToken)
        : await storedState(app, token.id);
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

async function verifiedState(app: Providers, rawToken: string): Promise<TokenState> {
  try {
    const { id, name } = await app.get(ApiTokenService).verify(rawToken);
    return { code: 'accepted', description: `${id} ("${name}") is accepted.` };
  } catch (error) {
    if (!(error instanceof SigraError) || error.code === 'unavailable') throw error;
    return { code: error.code, description: `it is refused as ${error.code}. ${error.message}` };
  }
}

async function storedState(app: Providers, id: string): Promise<TokenState> {
  const row = await app.get<DataSource>(SIGRA_DATA_SOURCE).getRepository(ApiTokenEntity).findOneBy({ id });
  if (!row) return { code: 'not_found', description: `there is no token ${id}.` };
  if (row.revokedAt) return { code: 'token_revoked', description: `${id} ("${row.name}") is revoked.` };
  const expiry = row.expiresAt ? `expires at ${row.expiresAt.toISOString()}` : 'never expires';
  return { code: 'not_revoked', description: `${id} ("${row.name}") has no revokedAt, and ${expiry}.` };
}
