import { channel } from 'node:diagnostics_channel';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Logger, Post } from '@nestjs/common';
import { context, type MeterProvider, metrics, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { AuditService, CredentialService, TokenCleanupService } from 'nestjs-sigra';
import { SigraOpenTelemetryModule } from 'nestjs-sigra/opentelemetry';
import { BatchLoader } from '../../libs/sigra/src/persistence/batch-loader.js';
import {
  credentialVerification,
  lookupBatch,
  lookupQueue,
  lookupShed,
  tracedChannels,
  verifyChannels,
} from '../../libs/sigra/src/telemetry/channels.js';
import { closeJwtApps, type JwtApp, startJwtApp } from '../support/jwt-app.js';
import { RecordedMetrics } from '../support/recorded-metrics.js';

const UNKNOWN = 'sigra_sk_000000000000000000000000000000000000000000000000';

const plainChannels = [credentialVerification, lookupBatch, lookupQueue, lookupShed];

const startObserved = (recorded: { readonly meterProvider: MeterProvider }, databaseUrl?: string) =>
  startJwtApp({}, { imports: [SigraOpenTelemetryModule.forRoot(recorded)], ...(databaseUrl && { databaseUrl }) });

const verified = (recorded: RecordedMetrics) =>
  recorded.value('sigra.verifications', { 'sigra.operation': 'api_token.verify' });

describe('the metrics of an application', () => {
  let recorded: RecordedMetrics;
  let app: JwtApp;

  beforeAll(async () => {
    recorded = new RecordedMetrics();
    app = await startObserved(recorded);
  });
  afterAll(closeJwtApps);

  it('count verifications by method and error', async () => {
    const { rawToken } = await app.tokens.create(app.user, { name: 'CI', scopes: ['read:notes'] });
    const { accessToken } = await app.jwt.generateTokens(app.user, ['read:notes']);

    for (const each of [rawToken, accessToken, UNKNOWN]) await app.present(each);

    const count = (operation: string, error?: string) =>
      recorded.value('sigra.verifications', {
        'sigra.operation': operation,
        ...(error && { 'error.type': error }),
      });
    expect(await count('api_token.verify')).toBe(1);
    expect(await count('jwt.verify')).toBe(1);
    expect(await count('api_token.verify', 'invalid_token')).toBe(1);
  });

  it('count the verifications of one event-loop turn together', async () => {
    const { rawToken } = await app.tokens.create(app.user, { name: 'Together', scopes: ['read:notes'] });
    const before = await verified(recorded);

    await Promise.all(Array.from({ length: 20 }, () => app.tokens.verify(rawToken)));

    expect(await verified(recorded)).toBe(before + 20);
  });

  it('measure the queries of one event-loop turn, and their keys', async () => {
    const before = await recorded.value('sigra.lookup.batch.size', { 'sigra.lookup': 'api_token' });
    const { rawToken } = await app.tokens.create(app.user, { name: 'Batch', scopes: ['read:notes'] });

    await app.tokens.verify(rawToken);

    expect(await recorded.value('sigra.lookup.batch.size', { 'sigra.lookup': 'api_token' })).toBe(before + 1);
    expect(await recorded.value('sigra.lookup.duration', { 'sigra.lookup': 'api_token' })).toBe(before + 1);
  });

  it('count refreshes, reuse and lock-outs', async () => {
    const operation = (name: string, error?: string) =>
      recorded.value('sigra.operation.duration', { 'sigra.operation': name, ...(error && { 'error.type': error }) });
    const { refreshToken } = await app.jwt.generateTokens(app.user, ['read:notes']);

    await app.jwt.refresh(refreshToken);
    await app.jwt.refresh(refreshToken).catch(() => undefined);
    await app.get(CredentialService).lockOut(app.user);

    expect(await operation('jwt.refresh')).toBe(1);
    expect(await operation('jwt.refresh', 'reuse_detected')).toBe(1);
    expect(await recorded.value('sigra.jwt.reuse')).toBe(1);
    expect(await operation('owner.lock_out')).toBe(1);
  });

  it('count the rows that clean-up deletes', async () => {
    const { id } = (await app.tokens.create(app.user, { name: 'Old', scopes: ['read:notes'] })).token;
    await app.dataSource.query(
      `UPDATE sigra_api_tokens SET created_at = now() - interval '3 days', expires_at = now() - interval '2 days' WHERE id = $1`,
      [id],
    );

    await app.get(TokenCleanupService).cleanupExpiredTokens();

    expect(await recorded.value('sigra.cleanup.rows', { 'sigra.rows': 'expiredTokens' })).toBe(1);
    expect(await recorded.value('sigra.operation.duration', { 'sigra.operation': 'cleanup.run' })).toBe(1);
  });

  it('count audit events that could not be written', async () => {
    await app.get(AuditService).log('host.event', { metadata: { self: 10n } });

    expect(await recorded.value('sigra.audit.lost', { 'sigra.reason': 'invalid_event' })).toBe(1);
  });

  it.each([
    ['standby', { 'server.address': 'standby' }],
    ['standby:5433', { 'server.address': 'standby', 'server.port': 5433 }],
    ['[2001:db8::1]', { 'server.address': '2001:db8::1' }],
    ['[2001:db8::1]:5433', { 'server.address': '2001:db8::1', 'server.port': 5433 }],
  ])('count the queries of the standby %s', async (standby, server) => {
    channel('sigra:standby:read').publish({ standby, outcome: 'unproven' });

    const attributes = { ...server, 'sigra.outcome': 'unproven' };
    expect(await recorded.value('sigra.standby.reads', attributes)).toBe(1);
  });

  it('count requests that a slow database refuses, and those that wait', async () => {
    let answer: () => void = () => undefined;
    const load = () => new Promise<Map<string, string>>((resolve) => (answer = () => resolve(new Map())));
    const loader = new BatchLoader<string>({
      name: 'user_entity',
      load,
      timeout: 60_000,
      maxInFlight: 1,
      maxQueued: 2,
    });
    const lookup = { 'sigra.lookup': 'user_entity' };
    const first = loader.load('a');
    await new Promise(setImmediate);

    const waiting = [loader.load('b'), loader.load('c')];
    const refused = loader.load('d').catch(() => 'refused');

    expect(await refused).toBe('refused');
    expect(await recorded.value('sigra.lookup.queue.length', lookup)).toBe(2);
    expect(await recorded.value('sigra.lookup.shed', { ...lookup, 'sigra.reason': 'queue_full' })).toBe(1);
    answer();
    await first;
    await new Promise(setImmediate);
    answer();
    await Promise.all(waiting);
    expect(await recorded.value('sigra.lookup.queue.length', lookup)).toBe(0);
  });

  it('have no attribute whose values grow with the users', async () => {
    const { rawToken } = await app.tokens.create(app.user, { name: 'Many', scopes: ['read:notes'] });
    for (const each of [rawToken, `${rawToken}x`, 'eyJhbGciOiJIUzI1NiJ9.e30.AAAA']) await app.present(each);

    const all = [...(await recorded.all()).values()].flat();
    // The servers are those of the configuration.
    const values = all.flatMap(({ attributes }) =>
      Object.entries(attributes).flatMap(([name, value]) => (name.startsWith('server.') ? [] : [value])),
    );

    expect(all.length).toBeGreaterThan(5);
    expect(values.filter((each) => !/^[a-zA-Z_.]{1,30}$/.test(String(each)))).toEqual([]);
  });
});

describe('the subscriptions', () => {
  afterEach(closeJwtApps);

  it('leave out the tracing channels of verifications, which cost more than their count', async () => {
    await startObserved(new RecordedMetrics());

    const traced = tracedChannels.filter(({ asyncEnd }) => asyncEnd.hasSubscribers);
    expect(traced).toEqual(tracedChannels.filter((each) => !Object.values(verifyChannels).includes(each)));
  });

  it('count what was verified until they end', async () => {
    const recorded = new RecordedMetrics();
    const app = await startObserved(recorded);
    const { rawToken } = await app.tokens.create(app.user, { name: 'CI', scopes: ['read:notes'] });

    await app.tokens.verify(rawToken);
    await app.close();

    expect(await verified(recorded)).toBe(1);
  });

  it('end with the application', async () => {
    const app = await startObserved(new RecordedMetrics());

    await app.close();

    const channels = [...tracedChannels.map(({ asyncEnd }) => asyncEnd), ...plainChannels];
    expect(channels.filter(({ hasSubscribers }) => hasSubscribers)).toEqual([]);
    expect(channel('sigra:audit:log_safe_error').hasSubscribers).toBe(false);
  });

  it('count once for two applications with one provider, also when one of them ends', async () => {
    const recorded = new RecordedMetrics();
    const first = await startObserved(recorded);
    const second = await startObserved(recorded, first.databaseUrl);
    const { rawToken } = await first.tokens.create(first.user, { name: 'CI', scopes: ['read:notes'] });

    await first.tokens.verify(rawToken);
    const together = await verified(recorded);
    await second.close();
    await first.tokens.verify(rawToken);

    expect([together, await verified(recorded)]).toEqual([1, 2]);
  });

  it('use the global provider by default', async () => {
    const recorded = new RecordedMetrics();
    metrics.setGlobalMeterProvider(recorded.meterProvider);
    const app = await startJwtApp({}, { imports: [SigraOpenTelemetryModule.forRoot({})] });
    const { rawToken } = await app.tokens.create(app.user, { name: 'CI', scopes: ['read:notes'] });

    await app.tokens.verify(rawToken);
    metrics.disable();

    expect(await verified(recorded)).toBe(1);
  });

  it('do not exist without an SDK', async () => {
    await startJwtApp({}, { imports: [SigraOpenTelemetryModule.forRoot()] });

    const channels = [...tracedChannels.flatMap(({ start, asyncEnd }) => [start, asyncEnd]), ...plainChannels];
    expect(channels.filter(({ hasSubscribers }) => hasSubscribers)).toEqual([]);
  });

  it('make spans with a global SDK for traces alone', async () => {
    trace.setGlobalTracerProvider(new BasicTracerProvider());
    await startJwtApp({}, { imports: [SigraOpenTelemetryModule.forRoot()] });
    trace.disable();

    expect(tracedChannels.every(({ asyncEnd }) => asyncEnd.hasSubscribers)).toBe(true);
    expect(plainChannels.filter(({ hasSubscribers }) => hasSubscribers)).toEqual([]);
  });

  it('answer requests when the meter fails', async () => {
    Logger.overrideLogger(false);
    const fail = () => {
      throw new Error('no meter');
    };
    const instrument = { record: fail, add: fail, addCallback: () => undefined, removeCallback: () => undefined };
    const make = () => instrument;
    const meter = { createHistogram: make, createCounter: make, createObservableUpDownCounter: make };
    const app = await startObserved({ meterProvider: { getMeter: () => meter } as unknown as MeterProvider });
    const { rawToken } = await app.tokens.create(app.user, { name: 'CI', scopes: ['read:notes'] });

    const answers = [await app.present(rawToken), await app.present(UNKNOWN)];
    Logger.overrideLogger(['error']);

    expect(answers.map(({ status }) => status)).toEqual([200, 401]);
  });
});

describe('the spans of an application', () => {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const contexts = new AsyncLocalStorageContextManager();
  let app: JwtApp;

  @Controller('traced')
  class TracedController {
    @Post()
    post() {
      return {};
    }
  }

  beforeAll(async () => {
    context.setGlobalContextManager(contexts.enable());
    const imports = [SigraOpenTelemetryModule.forRoot({ tracerProvider })];
    app = await startJwtApp({}, { imports, controllers: [TracedController] });
  });
  afterEach(() => {
    exporter.reset();
  });
  afterAll(async () => {
    await closeJwtApps();
    context.disable();
  });

  const within = <T>(run: () => Promise<T>): Promise<T> => {
    const span = tracerProvider.getTracer('test').startSpan('parent');
    return context.with(trace.setSpan(context.active(), span), run).finally(() => {
      span.end();
    });
  };
  const made = () => exporter.getFinishedSpans().filter(({ name }) => name.startsWith('sigra '));

  it('belong to the span around the operation', async () => {
    const { rawToken } = await app.tokens.create(app.user, { name: 'CI', scopes: ['read:notes'] });

    await within(() => app.tokens.verify(rawToken));

    const parent = exporter.getFinishedSpans().find(({ name }) => name === 'parent');
    const [span] = made();
    expect(made()).toHaveLength(1);
    expect(span).toMatchObject({
      name: 'sigra api_token.verify',
      attributes: { 'sigra.operation': 'api_token.verify' },
      parentSpanContext: { spanId: parent!.spanContext().spanId },
      status: { code: 0 },
    });
  });

  it('state the error, and no refusal as a failure', async () => {
    await within(() => app.tokens.verify(UNKNOWN)).catch(() => undefined);

    expect(made()[0]).toMatchObject({ attributes: { 'error.type': 'invalid_token' }, status: { code: 0 }, events: [] });
  });

  it('fail when the database fails', async () => {
    const { rawToken } = await app.tokens.create(app.user, { name: 'CI', scopes: ['read:notes'] });
    await app.dataSource.query('ALTER TABLE sigra_api_tokens RENAME TO moved');

    await within(() => app.tokens.verify(rawToken)).catch(() => undefined);
    await app.dataSource.query('ALTER TABLE moved RENAME TO sigra_api_tokens');

    expect(made()[0]).toMatchObject({ attributes: { 'error.type': 'unavailable' }, status: { code: 2 }, events: [] });
  });

  it('are not made without a span around the operation', async () => {
    await app.tokens.verify(UNKNOWN).catch(() => undefined);

    expect(exporter.getFinishedSpans()).toEqual([]);
  });
});
