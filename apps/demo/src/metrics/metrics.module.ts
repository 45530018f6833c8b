import { Module } from '@nestjs/common';
import { MetricsController } from './metrics.controller.js';
import { TokenMetrics } from './token-metrics.js';

@Module({ controllers: [MetricsController], providers: [TokenMetrics] })
export class MetricsModule {}
