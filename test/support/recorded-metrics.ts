import type { Attributes } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

interface Recorded {
  readonly attributes: Attributes;
  /** Of a histogram, the number of values. */
  readonly value: number;
}

/** Metrics of the real SDK, which a test reads. */
export class RecordedMetrics {
  private readonly reader = new PrometheusExporter({ preventServerStart: true });
  readonly meterProvider = new MeterProvider({ readers: [this.reader] });

  /** All values by the name of their metric, with what was counted in this event-loop turn. */
  async all(): Promise<Map<string, Recorded[]>> {
    await new Promise(setImmediate);
    const { resourceMetrics } = await this.reader.collect();
    const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    return new Map(
      metrics.map(({ descriptor, dataPoints }) => [
        descriptor.name,
        dataPoints.map(({ attributes, value }) => ({
          attributes,
          value: typeof value === 'number' ? value : value.count,
        })),
      ]),
    );
  }

  /** The value with exactly these attributes; 0 if there is none. */
  async value(name: string, attributes: Attributes = {}): Promise<number> {
    const wanted = JSON.stringify(Object.entries(attributes).sort());
    const points = (await this.all()).get(name) ?? [];
    return points.find((each) => JSON.stringify(Object.entries(each.attributes).sort()) === wanted)?.value ?? 0;
  }
}
