import type { INestApplication } from '@nestjs/common';
import { ClientProxyFactory, Transport } from '@nestjs/microservices';
import type { Server } from 'node:net';
import { firstValueFrom } from 'rxjs';
import { io } from 'socket.io-client';
import type { Answer, Clients } from './flow.js';

/** Messages to the gateway over socket.io, and to the microservice over TCP. */
export async function clientsOf(app: INestApplication): Promise<Clients> {
  const { port } = app.getHttpServer().address() as { port: number };
  const tcp = await startTcp(app);
  return {
    gateway: { read: (token) => emit(port, 'read', token), write: (token) => emit(port, 'write', token) },
    tcp: { read: (token) => send(tcp, 'read', token), write: (token) => send(tcp, 'write', token) },
  };
}

async function emit(port: number, event: string, token?: string): Promise<Answer> {
  const socket = io(`http://127.0.0.1:${port}`, { auth: { token }, forceNew: true, transports: ['websocket'] });
  try {
    return await new Promise((resolve, reject) => {
      socket.on('connect_error', reject);
      socket.on('answer', (body: unknown) => resolve({ status: 200, body }));
      socket.on('exception', (body: { statusCode: number }) => resolve({ status: body.statusCode, body }));
      socket.emit(event, {});
    });
  } finally {
    socket.disconnect();
  }
}

/** @returns the port of the microservice, which ends with the application */
async function startTcp(app: INestApplication): Promise<number> {
  const options = { host: '127.0.0.1', port: 0 };
  const microservice = app.connectMicroservice({ transport: Transport.TCP, options });
  await app.startAllMicroservices();
  return (microservice.unwrap<Server>().address() as { port: number }).port;
}

async function send(port: number, pattern: string, token?: string): Promise<Answer> {
  const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
  const payload = token === undefined ? {} : { authorization: `Bearer ${token}` };
  try {
    return { status: 200, body: await firstValueFrom(client.send<unknown>(pattern, payload)) };
  } catch (body) {
    return { status: (body as { statusCode: number }).statusCode, body };
  } finally {
    await client.close();
  }
}
