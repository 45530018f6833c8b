import { describe, expect, it } from '@jest/globals';
import type { RefreshFamilyRow, RefreshTokenState } from '../persistence/refresh-token.repository.js';
import { decideRefresh } from './refresh-decision.js';

const NOW = new Date('2030-01-01T12:00:00.000Z');
const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);

const FAMILY: RefreshFamilyRow = {
  id: 'family',
  user_id: 'ada',
  epoch: 3,
  scopes: ['*'],
  absolute_expires_at: at(100),
  revoked_at: null,
};
const FRESH: RefreshTokenState = {
  expires_at: at(50),
  consumed_at: null,
  sealed_successor: null,
  child_id: null,
  child_consumed_at: null,
  current_epoch: 3,
};
const SEALED = Buffer.from('sealed');
const CONSUMED: RefreshTokenState = { ...FRESH, consumed_at: at(-5), child_id: 'child', sealed_successor: SEALED };

interface Case {
  readonly what: string;
  readonly family?: Partial<RefreshFamilyRow>;
  readonly token: RefreshTokenState;
  readonly leeway?: number;
  readonly outcome: string;
}

const CASES: readonly Case[] = [
  { what: 'a fresh token', token: FRESH, outcome: 'rotate' },
  {
    what: 'a fresh token in its last millisecond',
    token: { ...FRESH, expires_at: new Date(NOW.getTime() + 1) },
    outcome: 'rotate',
  },
  { what: 'a token at the instant that it expires', token: { ...FRESH, expires_at: NOW }, outcome: 'token_expired' },
  {
    what: 'a family at the instant that it ends',
    family: { absolute_expires_at: NOW },
    token: FRESH,
    outcome: 'token_expired',
  },
  { what: 'a revoked family', family: { revoked_at: at(-1) }, token: FRESH, outcome: 'token_revoked' },
  { what: 'an older epoch', token: { ...FRESH, current_epoch: 4 }, outcome: 'token_revoked' },
  { what: 'a newer epoch than the current one', token: { ...FRESH, current_epoch: 2 }, outcome: 'token_revoked' },
  { what: 'a consumed token', token: CONSUMED, outcome: 'reuse' },
  { what: 'a consumed token within the leeway', token: CONSUMED, leeway: 6, outcome: 'replay' },
  { what: 'a consumed token at the end of the leeway', token: CONSUMED, leeway: 5, outcome: 'reuse' },
  {
    what: 'a consumed token whose child is used',
    token: { ...CONSUMED, child_consumed_at: at(-1) },
    leeway: 60,
    outcome: 'reuse',
  },
  {
    what: 'a consumed token whose child is gone',
    token: { ...CONSUMED, child_id: null },
    leeway: 60,
    outcome: 'reuse',
  },
  {
    what: 'a consumed token with nothing sealed',
    token: { ...CONSUMED, sealed_successor: null },
    leeway: 60,
    outcome: 'reuse',
  },
  {
    what: 'a token consumed by a node whose clock is ahead',
    token: { ...CONSUMED, consumed_at: at(1) },
    outcome: 'reuse',
  },
  // What is dead already is not killed again: these come before reuse.
  {
    what: 'a consumed token of a revoked family',
    family: { revoked_at: at(-1) },
    token: CONSUMED,
    outcome: 'token_revoked',
  },
  { what: 'a consumed token of an older epoch', token: { ...CONSUMED, current_epoch: 4 }, outcome: 'token_revoked' },
  {
    what: 'a consumed token that has expired',
    token: { ...CONSUMED, expires_at: NOW },
    leeway: 60,
    outcome: 'token_expired',
  },
  {
    what: 'an expired token of a revoked family',
    family: { revoked_at: at(-1) },
    token: { ...FRESH, expires_at: NOW },
    outcome: 'token_revoked',
  },
];

describe('decideRefresh', () => {
  it.each(CASES)('answers $what with $outcome', ({ family, token, leeway = 0, outcome }) => {
    const decision = decideRefresh({ ...FAMILY, ...family }, token, NOW, leeway);

    expect(decision.kind === 'refuse' ? decision.code : decision.kind).toBe(outcome);
  });

  it('hands out what was sealed, to be opened by the one who presented it', () => {
    expect(decideRefresh(FAMILY, CONSUMED, NOW, 60)).toEqual({ kind: 'replay', sealedSuccessor: SEALED });
  });
});
