import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Inject, Module, UseFilters, UseGuards, ValidationPipe } from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import {
  type ClientProxy,
  ClientProxyFactory,
  EventPattern,
  MessagePattern,
  Payload,
  type ReadPacket,
  Transport,
} from '@nestjs/microservices';
import { IsInt } from 'class-validator';
import {
  AllowAnonymous,
  ApiTokenService,
  CurrentCaller,
  type Caller,
  CurrentPrincipal,
  type Principal,
  RequireScopes,
  sigraEntities,
  SigraAuthGuard,
  SigraExceptionFilter,
  SigraModule,
} from 'nestjs-sigra';
import { firstValueFrom } from 'rxjs';
import type { AddressInfo, Server } from 'node:net';
import { insufficientScope, invalidRequest, UNAUTHORIZED } from '../support/answers.js';
import { Connection } from '../support/connection.js';
import { startTcp } from '../support/context-hosts.js';
import { eventually } from '../support/eventually.js';
import { type HostApp, startHost } from '../support/host-app.js';
import { SIGRA_OPTIONS, startTestApp, type TestApp, User } from '../support/test-app.js';

class NoteDto {
  @IsInt()
  id!: number;
}

const events: string[] = [];

/** Without a guard of its own: a global one is enough in a microservice that stands alone. */
@Controller()
class NoteHandlers {
  constructor(@Inject(ApiTokenService) private readonly tokens: ApiTokenService) {}

  @MessagePattern('me')
  me(@CurrentPrincipal() { method }: Principal) {
    return { method };
  }

  @MessagePattern('open')
  @AllowAnonymous()
  open(@CurrentPrincipal() principal?: Principal) {
    return { principal: principal ?? null };
  }

  @MessagePattern('scoped')
  @RequireScopes('write:notes')
  scoped() {
    return { ok: true };
  }

  @MessagePattern('validated')
  validated(@Payload(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true })) body: NoteDto) {
    return { id: body.id };
  }

  @MessagePattern('service')
  @UseFilters(SigraExceptionFilter)
  service(@CurrentCaller() caller: Caller) {
    return this.tokens.create('1', { name: '', scopes: ['read:notes'] }, caller);
  }

  @EventPattern('added')
  added(@CurrentPrincipal() { userId }: Principal) {
    events.push(`first ${userId}`);
  }
}

@Controller()
class OtherHandlers {
  @EventPattern('added')
  added(@CurrentPrincipal() { userId }: Principal) {
    events.push(`second ${userId}`);
  }
}

@Controller()
@UseGuards(SigraAuthGuard)
class GuardedHandlers extends NoteHandlers {}

@Controller()
@UseGuards(SigraAuthGuard)
class OtherGuardedHandlers extends OtherHandlers {}

/** A microservice that stands alone, with a global guard. */
async function startAlone(databaseUrl: string) {
  @Module({
    imports: [
      new Connection(databaseUrl, { entities: [User, ...sigraEntities] }).module,
      SigraModule.forRoot({ ...SIGRA_OPTIONS, controllers: {}, routes: 'error' }),
    ],
    controllers: [NoteHandlers, OtherHandlers],
    providers: [{ provide: APP_GUARD, useExisting: SigraAuthGuard }],
  })
  class AloneModule {}
  const app = await NestFactory.createMicroservice(AloneModule, {
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port: 0 },
    logger: false,
    abortOnError: false,
  });
  await app.listen();
  const { port } = app.unwrap<Server>().address() as AddressInfo;
  return { port, close: () => app.close() };
}

async function startBeside(databaseUrl: string) {
  const host: HostApp = await startHost({
    adapter: 'express',
    databaseUrl,
    sigra: { routes: 'error' },
    controllers: [GuardedHandlers, OtherGuardedHandlers],
  });
  return { port: await startTcp(host.app), close: () => host.close() };
}

describe.each([
  { kind: 'that stands alone', start: startAlone },
  { kind: 'beside an HTTP server', start: startBeside },
])('A microservice $kind', ({ start }) => {
  let test: TestApp;
  let microservice: { readonly port: number; close(): Promise<void> };
  let client: ClientProxy;
  let authorization: string;

  beforeAll(async () => {
    test = await startTestApp();
    microservice = await start(test.databaseUrl);
    client = connect();
    const { rawToken } = await test.tokens.create(test.user, { name: 'CI', scopes: ['read:notes'] });
    authorization = `Bearer ${rawToken}`;
  });
  afterAll(async () => {
    client.close();
    await microservice.close();
    await test.close();
  });

  const connect = () =>
    ClientProxyFactory.create({
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port: microservice.port },
    });
  const ask = (pattern: string, payload: object, from = client): Promise<unknown> =>
    firstValueFrom(from.send<unknown>(pattern, payload)).catch((refusal: unknown) => refusal);

  it('has the credential in the payload', async () => {
    expect(await ask('me', {})).toEqual(UNAUTHORIZED.body);
    expect(await ask('me', { authorization })).toEqual({ method: 'api_token' });
    expect(await ask('scoped', { authorization })).toEqual(insufficientScope(['write:notes'], ['write:notes']).body);
  });

  it('has the credential in the metadata of the packet', async () => {
    const other = connect();
    other.setOnDispatchHook((packet: ReadPacket) => {
      packet.metadata = { authorization };
    });

    expect(await ask('me', [1], other)).toEqual({ method: 'api_token' });
    expect(await ask('me', { authorization }, other)).toEqual({ method: 'api_token' });
    expect(await ask('me', { authorization: 'Bearer x' }, other)).toEqual(
      invalidRequest('The request has two credentials.').body,
    );
    other.close();
  });

  it('does not show the credential to validation and handlers', async () => {
    expect(await ask('validated', { authorization, id: 1 })).toEqual({ id: 1 });
  });

  it('has no principal in an anonymous handler', async () => {
    expect(await ask('open', { authorization })).toEqual({ principal: null });
  });

  it('answers errors of services with the same body', async () => {
    expect(await ask('service', { authorization })).toEqual({
      statusCode: 400,
      error: 'name_required',
      message: expect.any(String),
    });
  });

  it('gives the principal to all handlers of an event, and to none without a credential', async () => {
    events.length = 0;

    await firstValueFrom(client.emit('added', {}), { defaultValue: undefined });
    await firstValueFrom(client.emit('added', { authorization }), { defaultValue: undefined });
    await eventually(() => events.length >= 2);

    expect(events.toSorted()).toEqual([`first ${test.user.id}`, `second ${test.user.id}`]);
  });
});
