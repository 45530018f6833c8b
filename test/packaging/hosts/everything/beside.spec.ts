import 'reflect-metadata';
import { setTimeout as delay } from 'node:timers/promises';
import type { INestApplication } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { Test } from '@nestjs/testing';
import { SignJWT } from 'jose';
import { describeSigra } from 'nestjs-sigra/swagger';
import { DataSource } from 'typeorm';
import { AppModule, Jobs, OWN_SECRET } from './app.module.js';
import { User } from './user.js';

describe('beside what an application has', () => {
  let app: INestApplication;
  let url: string;

  beforeAll(async () => {
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    app = testing.createNestApplication();
    await app.listen(0, '127.0.0.1');
    url = `http://127.0.0.1:${(app.getHttpServer().address() as { port: number }).port}`;
  }, 60_000);
  afterAll(() => app.close());

  const get = async (path: string, token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(url + path, { headers });
    return { status: response.status, body: (await response.json()) as unknown };
  };
  const ownToken = async () => {
    const users = app.get(DataSource).getRepository(User);
    const { id } = await users.save(users.create({ email: 'own@example.com' }));
    return new SignJWT({})
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(id)
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode(OWN_SECRET));
  };

  it('runs each job of the application once a second', async () => {
    const { seconds } = app.get(Jobs);

    while (seconds.length < 3) await delay(50);

    expect(new Set(seconds).size).toBe(seconds.length);
    const jobs = [...app.get(SchedulerRegistry).getCronJobs().keys()];
    expect(jobs).toHaveLength(2);
    expect(jobs.filter((name) => name.startsWith('sigra'))).toHaveLength(1);
  }, 60_000);

  it('accepts the JWTs of the application, behind its own guard and behind Sigra', async () => {
    const token = await ownToken();

    expect(await get('/own', token)).toEqual({ status: 200, body: { before: true } });
    expect(await get('/projects', token)).toEqual({ status: 200, body: { of: 'own@example.com', by: 'host' } });
    expect((await get('/projects', `${token}x`)).status).toBe(401);
  });

  it('gives the status and the body of an error to the filter of the application', async () => {
    expect(await get('/own/error')).toEqual({
      status: 404,
      body: expect.objectContaining({ statusCode: 404, error: 'not_found' }),
    });
  });

  it('describes the routes of the application, with their scopes and refusals', () => {
    const { paths, components } = describeSigra(app, SwaggerModule.createDocument(app, new DocumentBuilder().build()));

    expect(Object.keys(paths)).toEqual(['/projects', '/own', '/own/error', '/health']);
    expect(paths['/projects']?.get).toMatchObject({ 'x-required-scopes': [['read:projects']] });
    expect(Object.keys(paths['/projects']?.get?.responses ?? {})).toEqual(
      expect.arrayContaining(['200', '401', '403', '503']),
    );
    expect(Object.keys(components?.securitySchemes ?? {})).toContain('apiToken');
  });

  it('reports its health through Terminus', async () => {
    expect(await get('/health')).toEqual({
      status: 200,
      body: expect.objectContaining({
        status: 'ok',
        info: { sigra: expect.objectContaining({ status: 'up', migrations: 'complete' }) },
      }),
    });
  });

  it('limits requests by address without a credential', async () => {
    const statuses: number[] = [];

    for (let request = 0; request < 12; request++) statuses.push((await get('/own/error')).status);

    expect(statuses.at(-1)).toBe(429);
  });
});
