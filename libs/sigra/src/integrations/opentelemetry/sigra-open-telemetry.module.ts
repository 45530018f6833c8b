import {
  ConfigurableModuleBuilder,
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { createNoopMeter, type MeterProvider, metrics, trace, type TracerProvider } from '@opentelemetry/api';
import { subscribeOnce } from './subscribe-once.js';
import { subscribeMeter } from './subscribe-meter.js';
import { subscribeTracer } from './subscribe-tracer.js';

/** The options of `SigraOpenTelemetryModule`. */
export interface SigraOpenTelemetryOptions {
  /** Makes the instruments. @default the global one when the application starts: register the SDK before */
  readonly meterProvider?: MeterProvider | undefined;
  /** Makes the spans. @default the global one when the application starts: register the SDK before */
  readonly tracerProvider?: TracerProvider | undefined;
}

const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<SigraOpenTelemetryOptions>({
  moduleName: 'SigraOpenTelemetry',
})
  .setClassMethodName('forRoot')
  .build();

/** The name of the meter and of the tracer. */
const SCOPE = 'nestjs-sigra';

/**
 * Turns the diagnostics channels of this process into metrics and spans of OpenTelemetry, from the start of the application
 * to its shutdown. Without an SDK when the application starts, it does nothing. Their attributes have few values: no ids, addresses or tokens. Spans are made only within another span.
 *
 * The channels belong to the process. Applications with the same provider in one process count each event once; with
 * providers of their own, each one counts the events of all.
 *
 * @example
 * imports: [SigraOpenTelemetryModule.forRoot()],
 */
@Module({})
export class SigraOpenTelemetryModule extends ConfigurableModuleClass implements OnModuleInit, OnApplicationShutdown {
  private subscriptions: readonly (() => void)[] = [];

  /** @param options @default {} */
  static override forRoot(options: SigraOpenTelemetryOptions = {}): DynamicModule {
    return super.forRoot(options);
  }

  constructor(@Inject(MODULE_OPTIONS_TOKEN) private readonly options: SigraOpenTelemetryOptions) {
    super();
  }

  onModuleInit(): void {
    const { meterProvider = metrics.getMeterProvider(), tracerProvider = trace.getTracerProvider() } = this.options;
    this.subscriptions = [
      ...(isMeasuring(meterProvider)
        ? [subscribeOnce(meterProvider, () => subscribeMeter(meterProvider.getMeter(SCOPE)))]
        : []),
      ...(isTracing(tracerProvider)
        ? [subscribeOnce(tracerProvider, () => subscribeTracer(tracerProvider.getTracer(SCOPE)))]
        : []),
    ];
  }

  onApplicationShutdown(): void {
    for (const unsubscribe of this.subscriptions) unsubscribe();
    this.subscriptions = [];
  }
}

/** The global provider of spans. */
interface TracerProxy {
  /** @returns undefined before an SDK is registered */
  getDelegateTracer(name: string): unknown;
}

/** Whether there is an SDK. Without one, a subscription would cost each request something for nothing. */
function isMeasuring(provider: MeterProvider): boolean {
  return provider.getMeter(SCOPE) !== createNoopMeter();
}

/** As `isMeasuring`. The global provider is a proxy, before an SDK is registered and after it. */
function isTracing(provider: TracerProvider & Partial<TracerProxy>): boolean {
  return provider.getDelegateTracer === undefined || provider.getDelegateTracer(SCOPE) !== undefined;
}
