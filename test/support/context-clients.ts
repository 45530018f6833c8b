import { once } from 'node:events';
import { ClientProxyFactory, Transport } from '@nestjs/microservices';
import { createClient } from 'graphql-ws';
import { firstValueFrom } from 'rxjs';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import type { ContextHosts } from './context-hosts.js';

/** What a client presents. Each one presents it where its context has a place for it. */
export interface Presented {
  /** A bearer credential. */
  readonly token?: string;
  /** An API token in a header of its own, or what the context has in its place. */
  readonly key?: string;
  /** The user whose session it is. */
  readonly sessionOf?: string;
}

/** The result of a handler, or the body of a refusal. */
export type Outcome = Readonly<Record<string, unknown>>;

/** @throws Error when a refusal does not have the form of its context, or a result has it */
function checked(outcome: Outcome, hasFormOfRefusal: boolean): Outcome {
  if ('statusCode' in outcome === hasFormOfRefusal) return outcome;
  throw new Error(`In the form of ${hasFormOfRefusal ? 'a refusal' : 'a result'}: ${JSON.stringify(outcome)}`);
}

/** A client, with one connection where its context has connections. */
export interface ContextClient {
  /** Calls the handler of that name. `scoped` requires `write:notes`; `owned` is for organizations, too. */
  ask(handler: 'me' | 'scoped' | 'owned'): Promise<Outcome>;
  close(): Promise<void> | void;
}

export interface ContextKind {
  readonly context: string;
  connect(hosts: ContextHosts, presented: Presented): Promise<ContextClient> | ContextClient;
}

/** Every context in which the guards work. */
export const CONTEXTS: readonly ContextKind[] = [
  { context: 'HTTP on Express', connect: ({ express }, presented) => overHttp(express.url, presented) },
  { context: 'HTTP on Fastify', connect: ({ fastify }, presented) => overHttp(fastify.url, presented) },
  { context: 'GraphQL query of Apollo', connect: ({ express }, presented) => graphql(express.url, presented, 'query') },
  {
    context: 'GraphQL query of Mercurius',
    connect: ({ fastify }, presented) => graphql(fastify.url, presented, 'query'),
  },
  {
    context: 'GraphQL mutation of Apollo',
    connect: ({ express }, presented) => graphql(express.url, presented, 'mutation'),
  },
  {
    context: 'GraphQL mutation of Mercurius',
    connect: ({ fastify }, presented) => graphql(fastify.url, presented, 'mutation'),
  },
  {
    context: 'GraphQL subscription of Apollo',
    connect: ({ express }, presented) => subscriber(express.url, presented),
  },
  {
    context: 'GraphQL subscription of Mercurius',
    connect: ({ fastify }, presented) => subscriber(fastify.url, presented),
  },
  { context: 'socket.io', connect: ({ express }, presented) => overSocketIo(express.url, presented) },
  { context: 'ws', connect: ({ sockets }, presented) => overWs(sockets.url, presented) },
  { context: 'TCP', connect: ({ tcpPort }, presented) => overTcp(tcpPort, presented) },
];

/** The headers of a request. A session is the user's id in a header. */
export function headersOf({ token, key, sessionOf }: Presented): Record<string, string> {
  return {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(key !== undefined && { 'x-api-key': key }),
    ...(sessionOf !== undefined && { 'x-session-user': sessionOf }),
  };
}

function overHttp(url: string, presented: Presented): ContextClient {
  return {
    ask: async (handler) => {
      const answer = await fetch(`${url}/context/${handler}`, { headers: headersOf(presented) });
      const outcome = (await answer.json()) as Outcome;
      return checked(outcome, answer.status === outcome.statusCode);
    },
    close: () => undefined,
  };
}

function graphql(url: string, presented: Presented, operation: 'query' | 'mutation'): ContextClient {
  return {
    ask: async (handler) => {
      const field = operation === 'query' ? handler : `${handler}Changed`;
      const answer = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { ...headersOf(presented), 'content-type': 'application/json' },
        body: JSON.stringify({ query: `${operation} { ${field} { userId method email } }` }),
      });
      return outcomeOf((await answer.json()) as GraphqlAnswer, field);
    },
    close: () => undefined,
  };
}

interface GraphqlAnswer {
  readonly data?: Readonly<Record<string, Outcome>> | null;
  readonly errors?: readonly GraphqlError[];
}

interface GraphqlError {
  readonly extensions?: { readonly code?: string; readonly originalError?: Outcome };
}

function outcomeOf({ data, errors }: GraphqlAnswer, field: string): Outcome {
  const { code, originalError } = errors?.[0]?.extensions ?? {};
  const outcome = errors ? originalError : data?.[field];
  if (!outcome) throw new Error(`Not an answer of Sigra: ${JSON.stringify({ data, errors })}`);
  return checked(outcome, code !== undefined && code !== 'INTERNAL_SERVER_ERROR');
}

/** A bearer credential goes into the parameters of the connection, as from a browser, and a session into the upgrade. */
function subscriber(url: string, presented: Presented): ContextClient {
  class SessionSocket extends WebSocket {
    constructor(address: string, protocols: string | string[]) {
      super(address, protocols, { headers: headersOf({ sessionOf: presented.sessionOf }) });
    }
  }
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: SessionSocket,
    connectionParams: headersOf({ token: presented.token, key: presented.key }),
    retryAttempts: 0,
    lazy: false,
    onNonLazyError: () => undefined,
  });
  return {
    ask: async (handler) => {
      const field = `${handler}Changed`;
      const answer = await new Promise<GraphqlAnswer>((resolve) => {
        client.subscribe<Record<string, Outcome>>(
          { query: `subscription { ${field} { userId method email } }` },
          {
            next: (value) => resolve(value),
            // Drivers send errors of a subscription in either way.
            error: (errors) => resolve({ errors: errors as readonly GraphqlError[] }),
            complete: () => resolve({}),
          },
        );
      });
      return outcomeOf(answer, field);
    },
    close: async () => client.dispose(),
  };
}

function overSocketIo(url: string, { token, key, sessionOf }: Presented): ContextClient {
  const socket = io(url, {
    transports: ['websocket'],
    auth: { ...(token !== undefined && { token }), ...headersOf({ key }) },
    ...(sessionOf !== undefined && { extraHeaders: headersOf({ sessionOf }) }),
  });
  return {
    ask: (handler) =>
      new Promise<readonly [Outcome, boolean]>((resolve) => {
        for (const event of ['answer', 'exception']) {
          socket.once(event, (outcome: Outcome) => {
            socket.off('answer').off('exception');
            resolve([outcome, event === 'exception']);
          });
        }
        socket.emit(handler, {});
      }).then(([outcome, isRefusal]) => checked(outcome, isRefusal)),
    close: () => void socket.close(),
  };
}

async function overWs(url: string, presented: Presented): Promise<ContextClient> {
  const socket = new WebSocket(url.replace('http', 'ws'), { headers: headersOf(presented) });
  await once(socket, 'open');
  return {
    ask: async (handler) => {
      socket.send(JSON.stringify({ event: handler, data: {} }));
      const [message] = (await once(socket, 'message')) as [Buffer];
      const { event, data } = JSON.parse(message.toString()) as { event: string; data: Outcome };
      return checked(data, event === 'exception');
    },
    close: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}

function overTcp(port: number, presented: Presented): ContextClient {
  const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
  const { key, ...inPayload } = presented;
  if (key !== undefined) {
    client.setOnDispatchHook((packet: { metadata?: unknown }) => {
      packet.metadata = headersOf({ key });
    });
  }
  return {
    ask: (handler) =>
      firstValueFrom(client.send<Outcome>({ cmd: handler }, headersOf(inPayload))).then(
        (outcome) => checked(outcome, false),
        (error: unknown) => checked(error as Outcome, true),
      ),
    close: () => void client.close(),
  };
}
