import type { DataSource } from 'typeorm';
import { hashSecret } from '../common/secret.js';
import { isWellFormed, looksLikeJwt, prefixOf } from '../common/token-format.js';
import type { SigraConfig } from '../config/sigra-config.js';
import { decideRefresh } from '../jwt/refresh-decision.js';
import { stateOfToken } from '../owners/end-of-token.js';
import { type RawTokenRows, readRawToken } from '../persistence/raw-token.reader.js';
import type { LookedUpApiToken, RefreshFamilyRow } from '../persistence/tables.js';

/** The credential of a raw token. It contains neither the raw token nor its hash. */
export type FoundCredential =
  | (LookedUpApiToken & { readonly kind: 'api_token' })
  | {
      readonly kind: 'refresh_token';
      /** A token is consumed when it has been rotated. */
      readonly state: 'active' | 'consumed' | 'revoked' | 'expired';
      readonly family: RefreshFamilyRow;
    };

type RefreshRows = Extract<RawTokenRows, { kind: 'refresh_token' }>;

/** Finds the credential of a raw token of any type of owners and any prefix. Writes nothing. */
export class RawTokenFinder {
  constructor(
    private readonly dataSource: DataSource,
    private readonly config: SigraConfig,
  ) {}

  /** The form of a string, whether or not the database has it. */
  formOf(rawToken: string): 'token' | 'jwt' | 'broken' {
    const { foreignFormats } = this.config.apiTokens;
    if (isWellFormed(rawToken, prefixOf(rawToken)) || foreignFormats.recognizes(rawToken)) return 'token';
    return looksLikeJwt(rawToken) ? 'jwt' : 'broken';
  }

  async find(rawToken: string, now: Date): Promise<FoundCredential | undefined> {
    // The options do not recognize tokens of earlier prefixes and refresh tokens.
    const hash = (await this.config.apiTokens.rawTokens.hashOf(rawToken)) ?? hashSecret(rawToken);
    const rows = await readRawToken(this.dataSource, hash);
    if (rows?.kind === 'refresh_token') {
      return { kind: 'refresh_token', state: stateOfRefreshToken(rows, now), family: rows.family };
    }
    const { apiTokens } = this.config;
    return (
      rows && {
        kind: 'api_token',
        token: apiTokens.kinds.label(rows.token),
        state: stateOfToken(rows, apiTokens, now),
      }
    );
  }
}

/** What a refresh would answer to the holder of the key, from an address that is allowed, without a leeway. */
function stateOfRefreshToken({ token, family, currentEpoch }: RefreshRows, now: Date) {
  const state = { token, consumedFor: null, successors: [], currentEpoch };
  const { dpopThumbprint } = family;
  const holder = { dpopThumbprint: dpopThumbprint ?? undefined };
  const decision = decideRefresh({ ...family, allowedIps: null }, state, now, 0, 0, holder);
  switch (decision.kind) {
    case 'reuse':
      return 'consumed';
    case 'refuse':
      return decision.code === 'token_expired' ? 'expired' : 'revoked';
    default:
      return 'active';
  }
}
