import type { INestApplication } from '@nestjs/common';
import type { Answer, Clients } from './flow.js';

interface Result {
  data: { projects?: { of: string; by: string } } | null;
  errors?: { extensions: { originalError?: { statusCode: number } } }[];
}

/** Queries and mutations over HTTP. */
export function clientsOf(app: INestApplication): Promise<Clients> {
  const { port } = app.getHttpServer().address() as { port: number };
  const request = async (query: string, token?: string): Promise<Answer> => {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    const body = JSON.stringify({ query });
    const response = await fetch(`http://127.0.0.1:${port}/graphql`, { method: 'POST', headers, body });
    const { data, errors } = (await response.json()) as Result;
    const refusal = errors?.[0]?.extensions.originalError;
    return refusal ? { status: refusal.statusCode, body: refusal } : { status: 200, body: data?.projects };
  };
  return Promise.resolve({
    graphql: {
      read: (token) => request('{ projects { of by } }', token),
      write: (token) => request('mutation { createProject }', token),
    },
  });
}
