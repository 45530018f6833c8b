import type { DataSource } from 'typeorm';
import { currentEpoch } from './owner.repository.js';
import { findQualifiedNames } from './qualified-names.js';
import {
  type ApiTokenRow,
  apiTokens,
  refreshFamilies,
  type RefreshFamilyRow,
  type RefreshTokenRow,
  refreshTokens,
} from './tables.js';

/** The rows that a raw token belongs to, with the epoch of their owner. */
export type RawTokenRows =
  | { readonly kind: 'api_token'; readonly token: ApiTokenRow; readonly tokenEpoch: number }
  | {
      readonly kind: 'refresh_token';
      readonly token: RefreshTokenRow;
      readonly family: RefreshFamilyRow;
      readonly currentEpoch: number;
    };

interface Found {
  readonly token: string;
  readonly family: string | null;
  readonly epoch: number | string;
}

/** Reads the rows of a raw token of any type of owners, by its hash. Writes nothing. */
export async function readRawToken(dataSource: DataSource, hash: string): Promise<RawTokenRows | undefined> {
  const names = await findQualifiedNames(dataSource);
  const [tokenEpoch, familyEpoch] = [
    currentEpoch(names.owners, 'token_epoch', 't.owner_type', 't.owner_id'),
    currentEpoch(names.owners, 'family_epoch', 'f.owner_type', 'f.owner_id'),
  ];
  const [api] = await dataSource.query<Found[]>(
    `SELECT ${apiTokens.packed('t')} AS token, NULL AS family, ${tokenEpoch} AS epoch FROM ${names.apiTokens} t
     WHERE t.token_hash = decode($1, 'hex')`,
    [hash],
  );
  if (api) return { kind: 'api_token', token: apiTokens.unpack(api.token), tokenEpoch: Number(api.epoch) };
  const [refresh] = await dataSource.query<Found[]>(
    `SELECT ${refreshTokens.packed('t')} AS token, ${refreshFamilies.packed('f')} AS family, ${familyEpoch} AS epoch
     FROM ${names.refreshTokens} t JOIN ${names.refreshFamilies} f ON f.id = t.family_id
     WHERE t.token_hash = decode($1, 'hex')`,
    [hash],
  );
  if (!refresh) return undefined;
  return {
    kind: 'refresh_token',
    token: refreshTokens.unpack(refresh.token),
    family: refreshFamilies.unpack(refresh.family ?? ''),
    currentEpoch: Number(refresh.epoch),
  };
}
