import { describe, expect, it } from '@jest/globals';
import type { RefreshTokenState, RefreshTokenUse } from '../persistence/refresh-token.repository.js';
import type { RefreshFamilyRow, RefreshTokenRow } from '../persistence/tables.js';
import { decideRefresh } from './refresh-decision.js';

const NOW = new Date('2030-01-01T12:00:00.000Z');
const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);

const FAMILY: RefreshFamilyRow = {
  id: 'family',
  ownerType: 'user',
  ownerId: 'ada',
  epoch: 3,
  scopes: ['*'],
  allowedIps: null,
  resources: null,
  madeByTokenId: null,
  madeByFamilyId: null,
  creatorType: null,
  creatorId: null,
  absoluteExpiresAt: at(100),
  revokedAt: null,
  revokeReason: null,
  ipAddress: null,
  userAgent: null,
  dpopThumbprint: null,
  createdAt: at(-100),
};
const TOKEN: RefreshTokenRow = {
  id: 'token',
  familyId: 'family',
  parentId: null,
  expiresAt: at(50),
  consumedAt: null,
  sealedSuccessor: null,
  createdAt: at(-50),
};
const SEALED = Buffer.from('sealed');
const FRESH: RefreshTokenState = { token: TOKEN, successors: [], currentEpoch: 3, consumedFor: null };
/** A successor that was used this many seconds ago. */
const used = (seconds: number, sealedSuccessor: Buffer | null = SEALED): RefreshTokenUse => ({
  token: { ...TOKEN, id: 'used', consumedAt: at(-seconds), sealedSuccessor },
  consumedFor: seconds,
});
const UNUSED: RefreshTokenUse = { token: { ...TOKEN, id: 'unused' }, consumedFor: null };
const CONSUMED: RefreshTokenState = {
  token: { ...TOKEN, consumedAt: at(-5), sealedSuccessor: SEALED },
  successors: [UNUSED],
  currentEpoch: 3,
  consumedFor: 5,
};

/** The state with other properties of the token. */
const tokenOf = (state: RefreshTokenState, token: Partial<RefreshTokenRow>): RefreshTokenState => ({
  ...state,
  token: { ...state.token, ...token },
});

interface Case {
  readonly what: string;
  readonly family?: Partial<RefreshFamilyRow>;
  readonly state: RefreshTokenState;
  readonly leeway?: number;
  readonly dpopThumbprint?: string | undefined;
  readonly ipAddress?: string | undefined;
  readonly outcome: string;
}

const EXPIRED = tokenOf(FRESH, { expiresAt: NOW });
const REASONS = [
  'revoked',
  'revoke_all',
  'reuse_detected',
  'sign_out_everywhere',
  'locked_out',
  'made_by_revoked',
  'too_many_families',
] as const;
/** Clients of a family that has the key `key`. */
const KEYS = [
  { key: 'with the key of its family', dpopThumbprint: 'key', isHolder: true },
  { key: 'with another key', dpopThumbprint: 'another', isHolder: false },
  { key: 'without a key', dpopThumbprint: undefined, isHolder: false },
];

const CASES: readonly Case[] = [
  { what: 'a fresh token', state: FRESH, outcome: 'rotate' },
  {
    what: 'a fresh token in its last millisecond',
    state: tokenOf(FRESH, { expiresAt: new Date(NOW.getTime() + 1) }),
    outcome: 'rotate',
  },
  {
    what: 'a token at the instant that it expires',
    state: tokenOf(FRESH, { expiresAt: NOW }),
    outcome: 'token_expired',
  },
  {
    what: 'a family at the instant that it ends',
    family: { absoluteExpiresAt: NOW },
    state: FRESH,
    outcome: 'token_expired',
  },
  {
    what: 'a family that ends within this second: its access token would have no lifetime',
    family: { absoluteExpiresAt: new Date(NOW.getTime() + 999) },
    state: FRESH,
    outcome: 'token_expired',
  },
  {
    what: 'a family that ends with the next second',
    family: { absoluteExpiresAt: at(1) },
    state: FRESH,
    outcome: 'rotate',
  },
  ...REASONS.flatMap((revokeReason): Case[] => {
    const family = { revokedAt: at(-1), revokeReason };
    const what = `of a family that ended by ${revokeReason}`;
    return [
      { what: `an unused token ${what}`, family, state: FRESH, outcome: 'token_revoked' },
      { what: `an unused token that has expired, ${what}`, family, state: EXPIRED, outcome: 'token_revoked' },
      {
        what: `a used token ${what}`,
        family,
        state: CONSUMED,
        outcome: revokeReason === 'reuse_detected' ? 'token_revoked' : 'reuse',
      },
      {
        what: `a used token ${what}, within the leeway`,
        family,
        state: CONSUMED,
        leeway: 10,
        outcome: 'token_revoked',
      },
      {
        what: `a used token ${what} and would have ended`,
        family: { ...family, absoluteExpiresAt: at(-1) },
        state: CONSUMED,
        outcome: 'token_revoked',
      },
    ];
  }),
  { what: 'an older epoch', state: { ...FRESH, currentEpoch: 4 }, outcome: 'token_revoked' },
  { what: 'a newer epoch than the current one', state: { ...FRESH, currentEpoch: 2 }, outcome: 'token_revoked' },
  { what: 'a consumed token', state: CONSUMED, outcome: 'reuse' },
  { what: 'a consumed token within the leeway', state: CONSUMED, leeway: 6, outcome: 'replay' },
  { what: 'a consumed token at the end of the leeway', state: CONSUMED, leeway: 5, outcome: 'reuse' },
  {
    what: 'a consumed token whose successor is used, each within the leeway',
    state: { ...CONSUMED, successors: [used(1), UNUSED] },
    leeway: 6,
    outcome: 'replay',
  },
  {
    what: 'a consumed token of ten generations ago, each within the leeway',
    state: { ...CONSUMED, successors: [...Array.from({ length: 9 }, () => used(2)), UNUSED] },
    leeway: 6,
    outcome: 'replay',
  },
  {
    what: 'a consumed token whose successor is used, without a leeway',
    state: { ...CONSUMED, successors: [used(1), UNUSED] },
    outcome: 'reuse',
  },
  {
    what: 'a consumed token before its leeway ends, whose successor was used before that, by its own time',
    state: { ...CONSUMED, successors: [used(6), UNUSED] },
    leeway: 6,
    outcome: 'reuse',
  },
  {
    what: 'a consumed token whose successor was used after the clock was set back',
    state: { ...CONSUMED, successors: [used(-5.1), UNUSED] },
    leeway: 60,
    outcome: 'reuse',
  },
  {
    what: 'a consumed token whose successor has nothing sealed',
    state: { ...CONSUMED, successors: [used(1, null), UNUSED] },
    leeway: 60,
    outcome: 'reuse',
  },
  {
    what: 'a consumed token whose last successor is used',
    state: { ...CONSUMED, successors: [used(1), used(1)] },
    leeway: 60,
    outcome: 'reuse',
  },
  {
    what: 'a consumed token whose last successor has expired',
    state: { ...CONSUMED, successors: [used(1), { ...UNUSED, token: { ...UNUSED.token, expiresAt: NOW } }] },
    leeway: 60,
    outcome: 'token_expired',
  },
  {
    what: 'a consumed token whose successors are gone',
    state: { ...CONSUMED, successors: [] },
    leeway: 60,
    outcome: 'reuse',
  },
  {
    what: 'a consumed token with nothing sealed',
    state: tokenOf(CONSUMED, { sealedSuccessor: null }),
    leeway: 60,
    outcome: 'reuse',
  },
  {
    what: 'a consumed token after the clock was set back',
    state: { ...CONSUMED, consumedFor: -5.1 },
    leeway: 60,
    outcome: 'reuse',
  },
  {
    what: 'a consumed token after the clock was set back a little, within the leeway',
    state: { ...CONSUMED, consumedFor: -4.9 },
    leeway: 1,
    outcome: 'replay',
  },
  {
    what: 'a consumed token after the clock was set back a little, without a leeway',
    state: { ...CONSUMED, consumedFor: -4.9 },
    outcome: 'reuse',
  },
  // Nothing that ends the family or the token meanwhile hides the reuse.
  { what: 'a consumed token of an older epoch', state: { ...CONSUMED, currentEpoch: 4 }, outcome: 'reuse' },
  {
    what: 'a consumed token of an older epoch, within the leeway',
    state: { ...CONSUMED, currentEpoch: 4 },
    leeway: 6,
    outcome: 'token_revoked',
  },
  {
    what: 'a consumed token of an older epoch whose reuse is known',
    family: { revokedAt: at(-1), revokeReason: 'reuse_detected' },
    state: { ...CONSUMED, currentEpoch: 4 },
    outcome: 'token_revoked',
  },
  { what: 'a consumed token that has expired', state: tokenOf(CONSUMED, { expiresAt: NOW }), outcome: 'reuse' },
  {
    what: 'a consumed token that has expired, within the leeway',
    state: tokenOf(CONSUMED, { expiresAt: NOW }),
    leeway: 6,
    outcome: 'replay',
  },
  {
    what: 'a consumed token of a family that has been idle for too long',
    state: {
      ...tokenOf(CONSUMED, { expiresAt: at(-9) }),
      successors: [{ ...UNUSED, token: { ...UNUSED.token, expiresAt: NOW } }],
    },
    outcome: 'reuse',
  },
  {
    what: 'a consumed token of a family at its absolute end, when all that the family made has ended',
    family: { absoluteExpiresAt: NOW },
    state: CONSUMED,
    outcome: 'token_expired',
  },
  // Late is reuse with every key.
  ...KEYS.flatMap(({ key, dpopThumbprint, isHolder }): Case[] =>
    [
      { what: `an unused token ${key}`, state: FRESH, outcome: isHolder ? 'rotate' : 'invalid_token' },
      {
        what: `a used token within the leeway, ${key}`,
        state: CONSUMED,
        leeway: 6,
        outcome: isHolder ? 'replay' : 'invalid_token',
      },
      { what: `a used token after the leeway, ${key}`, state: CONSUMED, leeway: 5, outcome: 'reuse' },
    ].map((each) => ({ ...each, family: { dpopThumbprint: 'key' }, dpopThumbprint })),
  ),
  ...['192.0.2.7', '198.51.100.1', undefined].flatMap((ipAddress) => {
    const isHere = ipAddress === '192.0.2.7';
    return [
      { what: 'an unused token', state: FRESH, outcome: isHere ? 'rotate' : 'invalid_token' },
      {
        what: 'a used token within the leeway',
        state: CONSUMED,
        leeway: 6,
        outcome: isHere ? 'replay' : 'invalid_token',
      },
      { what: 'a used token after the leeway', state: CONSUMED, leeway: 5, outcome: 'reuse' },
    ].map((each) => ({
      ...each,
      what: `${each.what} of a family for 192.0.2.0/24, from ${ipAddress ?? 'an unknown address'},`,
      family: { allowedIps: ['192.0.2.0/24'] },
      ipAddress,
    }));
  }),
  {
    what: 'an unused token with a key, of a family without one',
    state: FRESH,
    dpopThumbprint: 'key',
    outcome: 'rotate',
  },
  {
    what: 'a used token with a key, of a family without one, within the leeway',
    state: CONSUMED,
    leeway: 6,
    dpopThumbprint: 'key',
    outcome: 'replay',
  },
  {
    what: 'a used token with a key, of a family without one, after the leeway',
    state: CONSUMED,
    leeway: 5,
    dpopThumbprint: 'key',
    outcome: 'reuse',
  },
];

describe('decideRefresh', () => {
  it.each(CASES)('answers $what with $outcome', ({ family, state, leeway = 0, dpopThumbprint, ipAddress, outcome }) => {
    const decision = decideRefresh({ ...FAMILY, ...family }, state, NOW, leeway, 0, { dpopThumbprint, ipAddress });

    expect(decision.kind === 'refuse' ? decision.code : decision.kind).toBe(outcome);
  });

  it('returns the sealed successors in the order in which they are opened', () => {
    const [second, third] = [Buffer.from('second'), Buffer.from('third')];
    const state = { ...CONSUMED, successors: [used(2, second), used(1, third), UNUSED] };

    expect(decideRefresh(FAMILY, state, NOW, 60, 0)).toEqual({
      kind: 'replay',
      sealedSuccessors: [SEALED, second, third],
    });
  });
});
