import type { DataSource } from 'typeorm';
import { hasExpired } from '../common/clock.js';
import { hashSecret } from '../common/secret.js';
import { currentEpoch } from './owner.repository.js';
import type { RowOf } from './packed-row.js';
import { findQualifiedNames, type QualifiedNames } from './qualified-names.js';
import { apiTokens, refreshFamilies, type RefreshFamilyRow, refreshTokens } from './tables.js';

/** A credential that a raw token belongs to. It contains neither the raw token nor its hash. */
export type FoundCredential =
  | {
      readonly kind: 'api_token';
      readonly state: 'active' | 'revoked' | 'expired';
      readonly token: RowOf<typeof apiTokens.columns>;
    }
  | {
      readonly kind: 'refresh_token';
      /** A token is consumed when it has been rotated. */
      readonly state: 'active' | 'consumed' | 'revoked' | 'expired';
      readonly family: RefreshFamilyRow;
    };

/**
 * Finds the credential of a raw token of any type of owners, without an application: prefixes and rules of its configuration
 * do not count. Writes nothing.
 */
export async function findRawToken(
  dataSource: DataSource,
  rawToken: string,
  now: Date,
): Promise<FoundCredential | undefined> {
  const names = await findQualifiedNames(dataSource);
  const hash = hashSecret(rawToken);
  return (await findApiToken(dataSource, names, hash, now)) ?? findRefreshToken(dataSource, names, hash, now);
}

async function findApiToken(
  dataSource: DataSource,
  names: QualifiedNames,
  hash: string,
  now: Date,
): Promise<FoundCredential | undefined> {
  const epoch = currentEpoch(names.owners, 'token_epoch', 't.owner_type', 't.owner_id');
  const [row] = await dataSource.query<{ token: string; isPast: boolean }[]>(
    `SELECT ${apiTokens.packed('t')} AS token, t.token_epoch < ${epoch} AS "isPast" FROM ${names.apiTokens} t
     WHERE t.token_hash = decode($1, 'hex')`,
    [hash],
  );
  if (!row) return undefined;
  const token = apiTokens.unpack(row.token);
  const end = hasExpired(token.expiresAt, now) ? 'expired' : 'active';
  return { kind: 'api_token', state: token.revokedAt || row.isPast ? 'revoked' : end, token };
}

async function findRefreshToken(
  dataSource: DataSource,
  names: QualifiedNames,
  hash: string,
  now: Date,
): Promise<FoundCredential | undefined> {
  const epoch = currentEpoch(names.owners, 'family_epoch', 'f.owner_type', 'f.owner_id');
  const [row] = await dataSource.query<{ token: string; family: string; isPast: boolean }[]>(
    `SELECT ${refreshTokens.packed('t')} AS token, ${refreshFamilies.packed('f')} AS family, f.epoch < ${epoch} AS "isPast"
     FROM ${names.refreshTokens} t JOIN ${names.refreshFamilies} f ON f.id = t.family_id
     WHERE t.token_hash = decode($1, 'hex')`,
    [hash],
  );
  if (!row) return undefined;
  const [token, family] = [refreshTokens.unpack(row.token), refreshFamilies.unpack(row.family)];
  const isOver = hasExpired(token.expiresAt, now) || hasExpired(family.absoluteExpiresAt, now);
  const unused = isOver ? 'expired' : 'active';
  const living = token.consumedAt ? 'consumed' : unused;
  return { kind: 'refresh_token', state: family.revokedAt || row.isPast ? 'revoked' : living, family };
}
