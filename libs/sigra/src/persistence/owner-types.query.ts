import type { QualifiedNames } from './qualified-names.js';

/**
 * SQL that reads the types of owners that have credentials: a row with a JSON array, as text, in `found`. Each step goes to the next type in
 * an index, so that it reads few rows.
 */
export function ownerTypesQuery({ apiTokens, owners, refreshFamilies }: QualifiedNames): string {
  const typesIn = (table: string, condition: string) => {
    const next = (after: string) =>
      `(SELECT t.owner_type FROM ${table} t WHERE ${condition} AND ${after} ORDER BY t.owner_type LIMIT 1)`;
    return `SELECT type FROM (
        WITH RECURSIVE types(type) AS (
          SELECT ${next('true')}
          UNION ALL
          SELECT ${next('t.owner_type > types.type')} FROM types WHERE types.type IS NOT NULL
        ) SELECT type FROM types WHERE type IS NOT NULL) found`;
  };
  return `SELECT coalesce(json_agg(type), '[]')::text AS found FROM (
         ${typesIn(apiTokens, 'true')} UNION ${typesIn(owners, 'true')}
         UNION ${typesIn(refreshFamilies, 't.revoked_at IS NULL')}) all_types(type)`;
}
