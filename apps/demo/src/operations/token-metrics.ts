import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel';
import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { SigraError, type SigraTrace } from 'nestjs-sigra';
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';

const API_TOKEN_OPERATIONS = ['create', 'verify', 'revoke', 'revoke_all', 'update', 'rotate'];
const JWT_OPERATIONS = ['generate', 'verify', 'refresh'];

interface Subscription {
  readonly channel: TracingChannel<object, SigraTrace>;
  readonly subscriber: Parameters<TracingChannel<object, SigraTrace>['subscribe']>[0];
}

/**
 * Turns Sigra's diagnostics channels into Prometheus metrics. The library does not depend on Prometheus, and without
 * subscribers the channels cost nothing.
 */
@Injectable()
export class TokenMetrics implements OnModuleInit, OnModuleDestroy {
  readonly registry = new Registry();
  private readonly started = new WeakMap<object, bigint>();
  private readonly subscriptions = [
    ...this.subscriptionsTo('api_token', API_TOKEN_OPERATIONS, this.histogram('api_token', 'API token operations')),
    ...this.subscriptionsTo('jwt', JWT_OPERATIONS, this.histogram('jwt', 'JWT operations')),
  ];

  onModuleInit(): void {
    collectDefaultMetrics({ register: this.registry });
    for (const { channel, subscriber } of this.subscriptions) channel.subscribe(subscriber);
  }

  onModuleDestroy(): void {
    for (const { channel, subscriber } of this.subscriptions) channel.unsubscribe(subscriber);
  }

  private histogram(kind: string, operations: string): Histogram {
    return new Histogram({
      name: `sigra_${kind}_operation_seconds`,
      help: `Duration of ${operations}, by operation and outcome (success, or an error code)`,
      labelNames: ['operation', 'outcome'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2],
      registers: [this.registry],
    });
  }

  private subscriptionsTo(kind: string, operations: readonly string[], durations: Histogram): Subscription[] {
    const ignore = () => undefined;
    return operations.map((operation) => ({
      channel: tracingChannel<object, SigraTrace>(`sigra:${kind}:${operation}`),
      subscriber: {
        // An operation has one message object from its start to its end.
        start: (trace) => this.started.set(trace, process.hrtime.bigint()),
        end: ignore,
        asyncStart: ignore,
        asyncEnd: (trace) => this.observe(durations, operation, trace),
        error: ignore,
      },
    }));
  }

  private observe(durations: Histogram, operation: string, trace: SigraTrace): void {
    const began = this.started.get(trace);
    if (began === undefined) return;
    const seconds = Number(process.hrtime.bigint() - began) / 1e9;
    durations.observe({ operation, outcome: outcomeOf(trace) }, seconds);
  }
}

function outcomeOf({ error }: SigraTrace): string {
  if (error === undefined) return 'success';
  return error instanceof SigraError ? error.code : 'error';
}
