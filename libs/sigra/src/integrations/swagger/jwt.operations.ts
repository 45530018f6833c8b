import type { SigraConfig } from '../../config/sigra-config.js';
import type { FamilyView, JwtController } from '../../http/jwt.controller.js';
import type { TokenResponse } from '../../http/token-response.js';
import { json, type Operations, path } from './operation.js';
import {
  body,
  flag,
  id,
  instant,
  integer,
  list,
  named,
  nullable,
  object,
  oneOf,
  type Properties,
  text,
} from './schema.js';
import { nextCursor, PAGE_CODES, pageParameters, revokedCount, scopeList } from './token.schemas.js';

const SIGN_INS = { tag: 'Sign-ins' };

/** The token response of RFC 6749 section 5.1. */
export const tokenResponseProperties: Properties<TokenResponse> = {
  access_token: text({ description: 'A JWT (RFC 9068).' }),
  token_type: oneOf(['Bearer', 'DPoP']),
  expires_in: integer({ description: 'In seconds.', example: 900 }),
  refresh_token: text({ example: 'sigra_rt_…' }),
  scope: text({ example: 'read:projects' }),
};

const family = named(
  'RefreshFamily',
  object<FamilyView>({
    id: id(),
    scopes: list(text(), { example: ['read:projects'] }),
    ipAddress: nullable(text(), 'Where it began.'),
    userAgent: nullable(text(), 'The browser or program in which it began.'),
    createdAt: instant(),
    refreshedAt: instant('The last refresh.'),
    expiresAt: instant('It ends at this time, however often it is refreshed.'),
    current: flag({ description: 'Whether this request has an access token of it.' }),
  }),
);

/** The routes of the sign-ins of a user. */
export function jwtOperations(config: SigraConfig): Operations<JwtController> {
  return {
    issue: {
      ...SIGN_INS,
      summary: 'Create a JWT and a refresh token',
      description: 'Sessions only.',
      body: json(named('CreateJwt', body<{ scopes: readonly string[] }>({ scopes: scopeList }))),
      status: 200,
      answer: 'The token response of RFC 6749 section 5.1.',
      returns: named('TokenPair', object(tokenResponseProperties)),
      refusals: [
        'scopes_required',
        'invalid_scope_format',
        'unregistered_scopes',
        'insufficient_scope',
        'invalid_dpop_proof',
        'outcome_unknown',
      ],
    },
    list: {
      ...SIGN_INS,
      summary: 'Your sign-ins with refresh tokens, newest first',
      parameters: pageParameters(config),
      status: 200,
      answer: 'A page of sign-ins.',
      returns: named(
        'RefreshFamilyPage',
        object<{ families: FamilyView[]; nextCursor: string | null }>({ families: list(family), nextCursor }),
      ),
      refusals: PAGE_CODES,
    },
    revokeAll: {
      ...SIGN_INS,
      summary: 'End all your sign-ins with refresh tokens',
      status: 200,
      answer: 'The number of sign-ins that ended.',
      returns: revokedCount,
      refusals: ['outcome_unknown'],
    },
    revoke: {
      ...SIGN_INS,
      summary: 'End a sign-in',
      description: 'The credential needs the scopes of the sign-in, too.',
      parameters: [path('id', id())],
      status: 204,
      answer: 'Ended.',
      returns: undefined,
      refusals: ['not_found', 'outcome_unknown'],
    },
  };
}
