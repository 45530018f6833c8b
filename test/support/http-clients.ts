import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { HttpAnswer } from 'nestjs-sigra/testing';
import supertest from 'supertest';
import type { Adapter, TestApp } from './test-app.js';

type Method = 'GET' | 'POST';
type Running = Pick<TestApp, 'app' | 'url'>;

export interface Client {
  readonly client: string;
  readonly adapter: Adapter;
  send(test: Running, method: Method, path: string, headers?: Record<string, string>): Promise<HttpAnswer>;
}

/** Every kind of response that the kit reads. */
export const CLIENTS: readonly Client[] = [
  {
    client: 'Supertest on Express',
    adapter: 'express',
    send: async ({ app }, method, path, headers = {}) => {
      const agent = supertest(app.getHttpServer());
      return (method === 'GET' ? agent.get(path) : agent.post(path)).set(headers);
    },
  },
  {
    client: 'fetch on Fastify',
    adapter: 'fastify',
    send: ({ url }, method, path, headers = {}) => fetch(`${url}${path}`, { method, headers }),
  },
  {
    client: 'inject on Fastify',
    adapter: 'fastify',
    send: ({ app }, method, path, headers = {}) =>
      (app as NestFastifyApplication).inject({ method, url: path, headers }),
  },
];

export const statusOf = (answer: HttpAnswer): number => ('statusCode' in answer ? answer.statusCode : answer.status);

export const bodyOf = async (answer: HttpAnswer): Promise<unknown> =>
  JSON.parse(
    'clone' in answer ? await answer.clone().text() : 'payload' in answer ? answer.payload : answer.text,
  ) as unknown;
