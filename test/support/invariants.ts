import type { Acknowledged } from './credential-load.js';
import { onDatabase } from './database.js';

/** Checks of the tables after a fault. Each selects what must not exist. */
const CONTRADICTIONS: Readonly<Record<string, string>> = {
  'a token without the audit row of its creation or rotation': `
    SELECT t.id FROM sigra_api_tokens t LEFT JOIN (
      SELECT coalesce(e.metadata->>'replacedBy', e.target_id) AS id, count(*) AS rows FROM sigra_audit_events e
      WHERE e.action IN ('api.token_create', 'api.token_rotate') GROUP BY 1) made ON made.id = t.id::text
    WHERE made.rows IS DISTINCT FROM 1`,
  'the audit row of a creation or rotation without its token': `
    SELECT e.id FROM sigra_audit_events e
    WHERE e.action IN ('api.token_create', 'api.token_rotate') AND NOT EXISTS (
      SELECT FROM sigra_api_tokens t
      WHERE t.id::text = coalesce(e.metadata->>'replacedBy', e.target_id))`,
  'a rotated token without exactly one audit row': `
    SELECT t.id FROM sigra_api_tokens t WHERE t.replaced_by IS NOT NULL AND (
      SELECT count(*) FROM sigra_audit_events e
      WHERE e.action = 'api.token_rotate' AND e.target_id = t.id::text) <> 1`,
  'a change without exactly one audit row': `
    SELECT e.metadata->'after'->>'description' FROM sigra_audit_events e WHERE e.action = 'api.token_update'
    GROUP BY 1 HAVING count(*) <> 1`,
  'a description without the audit row of its change': `
    SELECT t.id FROM sigra_api_tokens t LEFT JOIN sigra_audit_events e
      ON e.action = 'api.token_update' AND e.metadata->'after'->>'description' = t.description
    WHERE t.description IS NOT NULL AND e.id IS NULL`,
  'the audit row of a change that its token lacks': `
    SELECT t.id FROM sigra_api_tokens t JOIN (
      SELECT DISTINCT ON (e.target_id) e.target_id, e.metadata->'after'->>'description' AS description
      FROM sigra_audit_events e WHERE e.action = 'api.token_update'
      ORDER BY e.target_id, e.occurred_at DESC, e.id DESC) last ON last.target_id = t.id::text
    WHERE t.description IS DISTINCT FROM last.description`,
  'a revoked token without exactly one audit row': `
    SELECT t.id FROM sigra_api_tokens t WHERE t.revoke_reason = 'revoked' AND (
      SELECT count(*) FROM sigra_audit_events e
      WHERE e.action = 'api.token_revoke' AND e.target_id = t.id::text) <> 1`,
  'the audit row of a revocation without a revoked token': `
    SELECT e.id FROM sigra_audit_events e WHERE e.action = 'api.token_revoke' AND NOT EXISTS (
      SELECT FROM sigra_api_tokens t WHERE t.id::text = e.target_id AND t.revoked_at IS NOT NULL)`,
  'a family without the audit row of its sign-in': `
    SELECT f.id FROM sigra_refresh_families f WHERE (
      SELECT count(*) FROM sigra_audit_events e
      WHERE e.action = 'api.jwt_issue' AND e.target_id = f.id::text) <> 1`,
  'a family with other than one unused token': `
    SELECT f.id FROM sigra_refresh_families f WHERE f.revoked_at IS NULL AND (
      SELECT count(*) FROM sigra_refresh_tokens t WHERE t.family_id = f.id AND t.consumed_at IS NULL) <> 1`,
  'a family whose refreshes differ from its audit rows': `
    SELECT f.id FROM sigra_refresh_families f WHERE
      (SELECT count(*) FROM sigra_refresh_tokens t WHERE t.family_id = f.id AND t.consumed_at IS NOT NULL) <>
      (SELECT count(*) FROM sigra_audit_events e WHERE e.action = 'api.jwt_refresh' AND e.target_id = f.id::text)`,
  'a family that was revoked because of a reuse': `
    SELECT f.id FROM sigra_refresh_families f WHERE f.revoke_reason = 'reuse_detected'`,
  'an owner whose epoch of tokens differs from the audit rows': `
    SELECT o.owner_id FROM sigra_owners o WHERE o.token_epoch <> (
      SELECT count(*) FROM sigra_audit_events e
      WHERE e.action IN ('api.token_revoke_all', 'api.lock_out') AND e.target_id = o.owner_id)`,
  'an owner whose epoch of families differs from the audit rows': `
    SELECT o.owner_id FROM sigra_owners o WHERE o.family_epoch <> (
      SELECT count(*) FROM sigra_audit_events e
      WHERE e.action IN ('api.lock_out', 'api.sign_out_everywhere') AND e.target_id = o.owner_id)`,
  'an owner without a row whose audit rows move an epoch': `
    SELECT e.target_id FROM sigra_audit_events e
    WHERE e.action IN ('api.token_revoke_all', 'api.lock_out', 'api.sign_out_everywhere')
      AND NOT EXISTS (SELECT FROM sigra_owners o WHERE o.owner_id = e.target_id)`,
  'the audit row of a sign-in without its family': `
    SELECT e.id FROM sigra_audit_events e WHERE e.action = 'api.jwt_issue' AND NOT EXISTS (
      SELECT FROM sigra_refresh_families f WHERE f.id::text = e.target_id)`,
};

/** What the tables lack although it was answered with 2xx, and what contradicts itself in them. */
export async function contradictions(databaseUrl: string, acknowledged: Acknowledged): Promise<string[]> {
  return onDatabase(databaseUrl, async (client) => {
    const found: string[] = [];
    for (const [what, sql] of Object.entries(CONTRADICTIONS)) {
      const { rowCount } = await client.query(sql);
      if (rowCount) found.push(`${rowCount} times ${what}`);
    }
    const missing = async (what: string, sql: string, values: readonly string[]) => {
      const { rows } = await client.query<{ id: string }>(sql, [values]);
      if (rows.length > 0) found.push(`${rows.length} times ${what} that was acknowledged is missing`);
    };
    const { created, rotated, changed, revoked, revokedAll, lockedOut, signedIn, refreshed } = acknowledged;
    await missing(
      'a creation',
      'SELECT known.id FROM unnest($1::uuid[]) AS known(id) WHERE NOT EXISTS (SELECT FROM sigra_api_tokens t WHERE t.id = known.id)',
      created,
    );
    await missing(
      'a rotation',
      `SELECT known.id FROM unnest($1::text[]) AS known(id) WHERE NOT EXISTS (
         SELECT FROM sigra_api_tokens t WHERE t.id || ' ' || t.replaced_by = known.id AND t.revoked_at IS NOT NULL)`,
      rotated.map((ids) => ids.join(' ')),
    );
    await missing(
      'a change',
      `SELECT known.id FROM unnest($1::text[]) AS known(id) LEFT JOIN sigra_audit_events e
         ON e.action = 'api.token_update' AND e.target_id || ' ' || (e.metadata->'after'->>'description') = known.id
       WHERE e.id IS NULL`,
      changed.map((change) => change.join(' ')),
    );
    await missing(
      'a revocation',
      `SELECT known.id FROM unnest($1::uuid[]) AS known(id) WHERE NOT EXISTS (
         SELECT FROM sigra_api_tokens t WHERE t.id = known.id AND t.revoked_at IS NOT NULL)`,
      revoked,
    );
    await missing(
      'a sign-in',
      'SELECT known.id FROM unnest($1::uuid[]) AS known(id) WHERE NOT EXISTS (SELECT FROM sigra_refresh_families f WHERE f.id = known.id)',
      signedIn,
    );
    const fewer = (action: string) =>
      `SELECT known.id FROM unnest($1::text[]) AS known(id) GROUP BY known.id HAVING count(*) > (
         SELECT count(*) FROM sigra_audit_events e WHERE e.action = '${action}' AND e.actor_id = known.id)`;
    await missing('a revocation of all tokens', fewer('api.token_revoke_all'), revokedAll);
    await missing('a lock-out', fewer('api.lock_out'), lockedOut);
    await missing('a refresh', fewer('api.jwt_refresh'), refreshed);
    return found;
  });
}
