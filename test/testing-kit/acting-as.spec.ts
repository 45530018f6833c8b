import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Post, UseGuards } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { ExpressAdapter } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import {
  AllowAnonymous,
  CurrentPrincipal,
  CurrentUser,
  OptionalAuth,
  type Principal,
  RequireKind,
  RequireScopes,
  SigraAuthGuard,
} from 'nestjs-sigra';
import { actingAs, assertScopeDenied } from 'nestjs-sigra/testing';
import type { TestApp } from '../support/test-app.js';
import { bodyOf, CLIENTS, statusOf } from '../support/http-clients.js';

@Controller('projects')
@UseGuards(SigraAuthGuard)
class ProjectController {
  @Get('me')
  me(@CurrentPrincipal() principal: Principal, @CurrentUser() user: object, @CurrentUser('id') id: string) {
    return { principal, user, id };
  }

  @Get()
  @RequireScopes('read:projects')
  list() {
    return [];
  }

  @Post()
  @RequireScopes('write:projects')
  add() {
    return { added: true };
  }

  @Get('live')
  @RequireKind('live')
  live() {
    return [];
  }

  @Get('open')
  @AllowAnonymous()
  open(@CurrentPrincipal() principal?: Principal) {
    return { userId: principal?.userId ?? null };
  }

  @Get('optional')
  @OptionalAuth()
  optional(@CurrentPrincipal() principal?: Principal) {
    return { userId: principal?.userId ?? null };
  }
}

// Without SigraModule, DataSource and tokens.
describe.each(CLIENTS)('actingAs in an application without a database, through $client', ({ adapter, send }) => {
  const acting = actingAs('anonymous');
  let test: Pick<TestApp, 'app' | 'url'>;

  beforeAll(async () => {
    const module = await Test.createTestingModule({ controllers: [ProjectController] })
      .overrideGuard(SigraAuthGuard)
      .useValue(acting)
      .compile();
    const app = module.createNestApplication<TestApp['app']>(
      adapter === 'fastify' ? new FastifyAdapter() : new ExpressAdapter(),
      { logger: false },
    );
    await app.listen(0, '127.0.0.1');
    test = { app, url: await app.getUrl() };
  });
  beforeEach(() => {
    acting.as({ userId: '1', scopes: ['read:projects'] });
  });
  afterAll(() => test.app.close());

  it('enforces the kind of the acting token', async () => {
    const statuses: number[] = [];
    for (const credential of [{ tokenKind: 'live' }, { tokenKind: 'ci' }, {}]) {
      acting.as({ userId: '1', method: 'api_token', ...credential });
      statuses.push(statusOf(await send(test, 'GET', '/projects/live')));
    }

    expect(statuses).toEqual([200, 403, 403]);
  });

  it('serves the principal of the test', async () => {
    const answer = await send(test, 'GET', '/projects/me');

    expect(statusOf(answer)).toBe(200);
    expect(await bodyOf(answer)).toEqual({
      principal: { user: { id: '1' }, userId: '1', method: 'session', scopes: ['read:projects'] },
      user: { id: '1' },
      id: '1',
    });
  });

  it('enforces the scopes of the route', async () => {
    const read = await send(test, 'GET', '/projects');
    const write = await send(test, 'POST', '/projects');

    expect(statusOf(read)).toBe(200);
    await assertScopeDenied(write, ['write:projects']);
    expect(await bodyOf(write)).toEqual({
      statusCode: 403,
      error: 'insufficient_scope',
      message: expect.any(String),
      required: ['write:projects'],
      missing: ['write:projects'],
    });
  });

  it('changes the principal between requests', async () => {
    acting.as({ user: { id: 2n, email: 'grace@example.com' }, userId: '2', tokenId: 't1' });

    const answer = await send(test, 'POST', '/projects');

    expect(statusOf(answer)).toBe(201);
  });

  it('refuses anonymous requests on routes that require a credential', async () => {
    acting.as('anonymous');

    const closed = await send(test, 'GET', '/projects/me');
    const open = await send(test, 'GET', '/projects/open');
    const optional = await send(test, 'GET', '/projects/optional');

    expect(statusOf(closed)).toBe(401);
    expect(await bodyOf(closed)).toMatchObject({ statusCode: 401, error: 'unauthorized' });
    expect([statusOf(open), statusOf(optional)]).toEqual([200, 200]);
    expect(await bodyOf(optional)).toEqual({ userId: null });
  });

  it('sets no principal on an anonymous route, and sets it on an optional one', async () => {
    const open = await send(test, 'GET', '/projects/open');
    const optional = await send(test, 'GET', '/projects/optional');

    expect(await bodyOf(open)).toEqual({ userId: null });
    expect(await bodyOf(optional)).toEqual({ userId: '1' });
  });
});
