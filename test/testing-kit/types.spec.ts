import { describe, expect, it } from '@jest/globals';
import type { INestApplication, INestApplicationContext } from '@nestjs/common';
import type { TestingModule } from '@nestjs/testing';
import type { LightMyRequestResponse } from 'fastify';
import type { AuditEvent, CreateApiToken, IssuedApiToken, TokenPair, UserRef } from 'nestjs-sigra';
import * as kit from 'nestjs-sigra/testing';
import type supertest from 'supertest';

type Equal<A, B> = (<T>(value: T) => T extends A ? 1 : 2) extends <T>(value: T) => T extends B ? 1 : 2 ? true : false;
type Accepts<Wide, Narrow> = [Narrow] extends [Wide] ? true : false;
type Parameter<F extends (...args: never[]) => unknown, Index extends number> = Parameters<F>[Index];

interface Ada {
  id: number;
  email: string;
}
type Acting = Parameter<typeof kit.actingAs<Ada>, 0>;
type CreateToken = (app: kit.Providers, user: UserRef, overrides?: Partial<CreateApiToken>) => Promise<IssuedApiToken>;

/** Never runs. An entry compiles only if the type equals, or accepts, exactly the type that it names. */
const types = {
  createApiToken: true satisfies Equal<typeof kit.createApiToken, CreateToken>,
  expiredApiToken: true satisfies Equal<typeof kit.expiredApiToken, CreateToken>,
  revokedApiToken: true satisfies Equal<typeof kit.revokedApiToken, CreateToken>,
  scopedApiToken: [
    true satisfies Equal<Parameter<typeof kit.scopedApiToken, 2>, readonly string[]>,
    true satisfies Equal<
      keyof NonNullable<Parameter<typeof kit.scopedApiToken, 3>>,
      'kind' | 'name' | 'description' | 'metadata' | 'allowedIps' | 'resources' | 'expiresAt' | 'idempotencyKey'
    >,
    true satisfies Equal<ReturnType<typeof kit.scopedApiToken>, Promise<IssuedApiToken>>,
  ],
  generateJwt: true satisfies Equal<
    typeof kit.generateJwt,
    (app: kit.Providers, user: UserRef, scopes?: readonly string[]) => Promise<string>
  >,
  expiredJwt: true satisfies Equal<typeof kit.expiredJwt, typeof kit.generateJwt>,
  jwtWithScopes: true satisfies Equal<
    typeof kit.jwtWithScopes,
    (app: kit.Providers, user: UserRef, scopes: readonly string[]) => Promise<string>
  >,
  refreshPair: true satisfies Equal<
    typeof kit.refreshPair,
    (app: kit.Providers, user: UserRef, scopes?: readonly string[]) => Promise<TokenPair>
  >,
  bearer: [
    true satisfies Equal<typeof kit.bearer, (rawToken: string) => { authorization: string }>,
    (test: supertest.Test) => test.set(kit.bearer('raw')),
    () => fetch('http://127.0.0.1', { headers: kit.bearer('raw') }),
  ],
  assertScopeDenied: [
    true satisfies Accepts<kit.HttpAnswer, Response | supertest.Response | LightMyRequestResponse>,
    true satisfies Accepts<Parameter<typeof kit.assertScopeDenied, 0>, supertest.Test | Promise<Response>>,
    false satisfies Accepts<kit.HttpAnswer, { status: number }>,
    true satisfies Equal<ReturnType<typeof kit.assertScopeDenied>, Promise<void>>,
  ],
  assertTokenRevoked: [
    true satisfies Accepts<
      Parameter<typeof kit.assertTokenRevoked, 1>,
      string | IssuedApiToken | IssuedApiToken['token']
    >,
    false satisfies Accepts<Parameter<typeof kit.assertTokenRevoked, 1>, undefined>,
    true satisfies Equal<ReturnType<typeof kit.assertTokenRevoked>, Promise<void>>,
  ],
  assertAuditEvent: [
    true satisfies Accepts<kit.ExpectedAuditEvent, { action: 'note.share'; actorId: null; metadata: { count: 1 } }>,
    false satisfies Accepts<kit.ExpectedAuditEvent, { outcome: 'success' }>,
    false satisfies Accepts<kit.ExpectedAuditEvent, { action: 'note.share'; outcome: 'maybe' }>,
    true satisfies Equal<ReturnType<typeof kit.assertAuditEvent>, Promise<AuditEvent>>,
  ],
  flushBackgroundWrites: true satisfies Equal<typeof kit.flushBackgroundWrites, (app: kit.Providers) => Promise<void>>,
  actingAs: [
    true satisfies Accepts<Acting, 'anonymous' | { userId: string } | { user: Ada }>,
    false satisfies Accepts<Acting, { scopes: string[] }>,
    false satisfies Accepts<Acting, { userId: number }>,
    false satisfies Accepts<Acting, { user: { id: number } }>,
    false satisfies Accepts<Acting, { userId: string; method: 'cookie' }>,
    true satisfies Equal<Parameter<kit.ActingGuard<Ada>['as'], 0>, Acting>,
    true satisfies Equal<ReturnType<typeof kit.actingAs<Ada>>, kit.ActingGuard<Ada>>,
  ],
  FakeClock: true satisfies Equal<ReturnType<kit.FakeClock['now']>, Date>,
};
true satisfies Accepts<kit.Providers, INestApplication | INestApplicationContext | TestingModule>;

describe('nestjs-sigra/testing', () => {
  it('exports exactly the kit, with precise types', () => {
    expect(Object.keys(kit).sort()).toEqual(Object.keys(types).sort());
  });

  it('infers the user type of a principal', () => {
    const acting = kit.actingAs({ user: { id: 1, email: 'ada@example.com' } });

    const inferred: kit.ActingGuard<Ada> = acting;
    // @ts-expect-error -- another user type
    expect(() => inferred.as({ user: { uuid: '2' } })).toThrow(TypeError);
  });
});
