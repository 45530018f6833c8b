import type { INestApplication } from '@nestjs/common';
import type { Clients } from './flow.js';

/** Requests over HTTP. */
export function clientsOf(app: INestApplication): Promise<Clients> {
  const { port } = app.getHttpServer().address() as { port: number };
  const request = async (method: string, token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(`http://127.0.0.1:${port}/projects`, { method, headers });
    return { status: response.status, body: (await response.json()) as unknown };
  };
  return Promise.resolve({
    http: { read: (token) => request('GET', token), write: (token) => request('POST', token) },
  });
}
