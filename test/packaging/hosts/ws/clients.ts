import type { INestApplication } from '@nestjs/common';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Answer, Clients } from './flow.js';

/** Messages to the gateway over plain WebSockets. */
export function clientsOf(app: INestApplication): Promise<Clients> {
  const { port } = app.getHttpServer().address() as { port: number };
  const send = (event: string) => (token?: string) => ask(port, event, token);
  return Promise.resolve({ gateway: { read: send('read'), write: send('write') } });
}

async function ask(port: number, event: string, token?: string): Promise<Answer> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { headers });
  await once(socket, 'open');
  socket.send(JSON.stringify({ event, data: {} }));
  const [message] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  const answer = JSON.parse(message.toString()) as { event: string; data: { statusCode: number } };
  return { status: answer.event === 'exception' ? answer.data.statusCode : 200, body: answer.data };
}
