import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { NestFactory } from '@nestjs/core';
import { Module } from '@nestjs/common';
import { sigraEntities, SigraModule } from 'nestjs-sigra';
import { Connection } from '../support/connection.js';
import { recordingLogger } from '../support/log-lines.js';
import { SIGRA_OPTIONS, startTestApp, type TestApp, User } from '../support/test-app.js';

const express = (value: unknown) => () => {
  const adapter = new ExpressAdapter();
  if (value !== undefined) adapter.set('trust proxy', value);
  return adapter;
};
const fastify = (trustProxy: boolean | string | (() => boolean)) => () => new FastifyAdapter({ trustProxy });

describe('The log of the boot', () => {
  let test: TestApp;
  beforeAll(async () => {
    test = await startTestApp();
  });
  afterAll(() => test.close());

  const warningsWith = async (adapterOf: () => ExpressAdapter | FastifyAdapter) => {
    const connection = new Connection(test.databaseUrl, { entities: [User, ...sigraEntities] });

    @Module({ imports: [connection.module, SigraModule.forRoot(SIGRA_OPTIONS)] })
    class HostModule {}

    const logger = recordingLogger();
    const app = await NestFactory.create(HostModule, adapterOf(), { logger });
    await app.init();
    await app.close();
    return logger.lines.filter((line) => line.includes('X-Forwarded-For of every client'));
  };

  it.each([
    ['true, on Express', express(true)],
    ['a function, on Express', express(() => true)],
    ['a range of all addresses, on Express', express('0.0.0.0/1, 128.0.0.0/1')],
    ['true, on Fastify', fastify(true)],
    ['a function, on Fastify', fastify(() => true)],
  ])('warns about trust in every proxy: %s', async (_what, adapterOf) => {
    expect(await warningsWith(adapterOf)).toHaveLength(1);
  });

  it.each([
    ['no setting, on Express', express(undefined)],
    ['a number, on Express', express(2)],
    ['addresses, on Express', express('loopback, 10.0.0.0/8')],
    ['no setting, on Fastify', fastify(false)],
    ['addresses, on Fastify', fastify('loopback')],
  ])('has no warning about %s', async (_what, adapterOf) => {
    expect(await warningsWith(adapterOf)).toEqual([]);
  });
});
