import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { SigraOpenTelemetryModule, type SigraOpenTelemetryOptions } from 'nestjs-sigra/opentelemetry';
import { rawToken } from '../../harness/tokens.js';
import { bearer, type HttpFactory } from './contestant.js';
import { sigra } from './sigra.js';

/** API tokens, with metrics and spans. */
const observed =
  (options: () => SigraOpenTelemetryOptions): HttpFactory =>
  (databases) => {
    const { imports, providers } = sigra(databases.sigra);
    return {
      module: { imports: [...(imports ?? []), SigraOpenTelemetryModule.forRoot(options())], providers },
      credential: ({ token }) => bearer(rawToken(token)),
    };
  };

/** Without an SDK, as in an application that collects no metrics. */
export const sigraObserved = observed(() => ({}));

/** With the SDK for metrics, which are read every second. */
export const sigraMetrics = observed(() => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.DELTA);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1000, exportTimeoutMillis: 1000 });
  return { meterProvider: new MeterProvider({ readers: [reader] }) };
});
