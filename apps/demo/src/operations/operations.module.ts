import { Module } from '@nestjs/common';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { PrometheusMetrics } from './prometheus-metrics.js';

@Module({
  controllers: [HealthController, MetricsController],
  providers: [PrometheusMetrics],
  exports: [PrometheusMetrics],
})
export class OperationsModule {}
