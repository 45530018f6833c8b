import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider, type ResourceMetrics } from '@opentelemetry/sdk-metrics';

/** The metrics of this process, as Prometheus reads them. Without the SDK, an application pays nothing for them. */
@Injectable()
export class PrometheusMetrics implements OnApplicationShutdown {
  private readonly exporter = new PrometheusExporter({ preventServerStart: true });
  private readonly serializer = new PrometheusSerializer();
  readonly meterProvider = new MeterProvider({ readers: [this.exporter] });

  /** The text that Prometheus reads. */
  async read(): Promise<string> {
    return this.serializer.serialize(await this.collect());
  }

  /** The figures behind the text, for the page of metrics. */
  async collect(): Promise<ResourceMetrics> {
    return (await this.exporter.collect()).resourceMetrics;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.meterProvider.shutdown();
  }
}
