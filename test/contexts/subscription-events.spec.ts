import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { DynamicModule } from '@nestjs/common';
import { Field, ID, ObjectType, Query, Resolver, Subscription } from '@nestjs/graphql';
import { type Client, createClient } from 'graphql-ws';
import { CredentialService, CurrentPrincipal, OptionalAuth, type Principal, RequireScopes } from 'nestjs-sigra';
import { WebSocket } from 'ws';
import { insufficientScope, INVALID_TOKEN, invalidRequest } from '../support/answers.js';
import { apollo, mercurius } from '../support/context-hosts.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { type Adapter, startTestApp, type TestApp } from '../support/test-app.js';

@ObjectType()
class Note {
  @Field(() => ID) id!: string;
}

/** Delivers an event each time that the test asks for one. */
class Feed {
  private readonly waiting: ((id: string) => void)[] = [];
  private readonly pending: string[] = [];

  publish(id: string): void {
    const next = this.waiting.shift();
    if (next) next(id);
    else this.pending.push(id);
  }

  async *events(): AsyncGenerator<{ added: Note }> {
    for (;;) {
      const ready = this.pending.shift();
      yield { added: { id: ready ?? (await new Promise<string>((resolve) => this.waiting.push(resolve))) } };
    }
  }
}

let feed: Feed;

type Errors = readonly { readonly extensions?: { readonly originalError?: unknown } }[];

interface Result {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: Errors;
}

function refusalIn([error]: Errors): unknown {
  return error?.extensions?.originalError;
}

@Resolver(() => Note)
class NoteResolver {
  @Query(() => String)
  unused() {
    return '';
  }

  @Subscription(() => Note)
  @RequireScopes('read:notes')
  added(@CurrentPrincipal() principal: Principal) {
    if (principal.userId === '') throw new Error('A principal without a user');
    return feed.events();
  }

  @Subscription(() => Note, { resolve: ({ added }: { added: Note }) => added })
  @RequireScopes('read:notes')
  resolved() {
    return feed.events();
  }

  @Subscription(() => Note, {
    filter: ({ added }: { added: Note }) => added.id !== 'hidden',
    resolve: ({ added }: { added: Note }) => added,
  })
  @RequireScopes('read:notes')
  filtered() {
    return feed.events();
  }

  @Subscription(() => Note, { resolve: ({ added }: { added: Note }) => added })
  @OptionalAuth()
  open() {
    return feed.events();
  }
}

const DRIVERS: readonly { driver: string; adapter: Adapter; module: () => DynamicModule }[] = [
  { driver: 'Apollo', adapter: 'express', module: apollo },
  { driver: 'Mercurius', adapter: 'fastify', module: mercurius },
];

describe.each(DRIVERS)('The events of a subscription of $driver', ({ adapter, module }) => {
  let test: TestApp;
  let host: HostApp;
  const clients: Client[] = [];

  beforeAll(async () => {
    test = await startTestApp();
    host = await startHost({ adapter, databaseUrl: test.databaseUrl, providers: [NoteResolver], imports: [module()] });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.dispose();
  });
  afterAll(async () => {
    await host.close();
    await test.close();
  });

  const issue = (...scopes: string[]) => test.tokens.create(test.user, { name: 'CI', scopes });

  /** Subscribes, and returns the next event of each call. */
  function subscribe(field: string, rawToken?: string, more: object = {}): () => Promise<unknown> {
    feed = new Feed();
    const client = createClient({
      url: `${host.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { ...(rawToken !== undefined && { authorization: `Bearer ${rawToken}` }), ...more },
      retryAttempts: 0,
    });
    clients.push(client);
    const events = client.iterate({ query: `subscription { ${field} { id } }` });
    return async () => {
      try {
        const { value } = (await events.next()) as { value: Result };
        return value.errors ? refusalIn(value.errors) : value.data?.[field];
      } catch (errors) {
        // Mercurius refuses the subscription itself in this way.
        return refusalIn(errors as Errors);
      }
    };
  }

  it.each(['added', 'resolved', 'filtered'])('are refused after the token was revoked: %s', async (field) => {
    const { rawToken, token } = await issue('read:notes');
    const next = subscribe(field, rawToken);
    feed.publish('1');
    const first = await next();
    feed.publish('2');
    const second = await next();

    await test.tokens.revoke(token.id);
    feed.publish('3');
    const third = await next();
    feed.publish('4');

    expect([first, second, third, await next()]).toEqual([
      { id: '1' },
      { id: '2' },
      INVALID_TOKEN.body,
      INVALID_TOKEN.body,
    ]);
  });

  it('are refused to a connection with two credentials, in any spelling and place, and not to one with the same twice', async () => {
    const { rawToken } = await issue('read:notes');
    const other = `Bearer ${(await issue('read:notes')).rawToken}`;
    const own = `Bearer ${rawToken}`;

    const refused = [{ Authorization: other }, { headers: { authorization: other } }];
    const answers = [];
    for (const more of refused) answers.push(await subscribe('added', rawToken, more)());
    const next = subscribe('added', rawToken, { Authorization: own, headers: { authorization: own } });
    feed.publish('1');

    expect(answers).toEqual(refused.map(() => invalidRequest('The request has two credentials.').body));
    expect(await next()).toEqual({ id: '1' });
  });

  it('are refused after a lock-out, and others are not', async () => {
    const grace = await test.addUser('grace@example.com');
    const { rawToken } = await test.tokens.create(grace, { name: 'CI', scopes: ['read:notes'] });
    const mine = subscribe('added', rawToken);
    feed.publish('1');
    const before = await mine();

    await test.get(CredentialService).lockOut(grace);
    feed.publish('2');
    const after = await mine();
    const others = subscribe('added', (await issue('read:notes')).rawToken);
    feed.publish('3');

    expect([before, after, await others()]).toEqual([{ id: '1' }, INVALID_TOKEN.body, { id: '3' }]);
  });

  it('reach an anonymous subscriber where authentication is optional', async () => {
    const next = subscribe('open');
    feed.publish('1');

    expect(await next()).toEqual({ id: '1' });
  });

  it('of a field with scopes are not delivered without them', async () => {
    const next = subscribe('added', (await issue('write:notes')).rawToken);

    expect(await next()).toEqual(insufficientScope(['read:notes'], ['read:notes']).body);
  });
});
