import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { AllowAnonymous } from 'nestjs-sigra';
import { Registry } from 'prom-client';
import { TokenMetrics } from './token-metrics.js';

@ApiTags('Operations')
@Controller('metrics')
@AllowAnonymous()
export class MetricsController {
  constructor(private readonly metrics: TokenMetrics) {}

  @Get()
  @Header('Content-Type', Registry.PROMETHEUS_CONTENT_TYPE)
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Metrics for Prometheus', security: [] })
  @ApiProduces('text/plain')
  @ApiOkResponse({ schema: { type: 'string' } })
  scrape(): Promise<string> {
    return this.metrics.registry.metrics();
  }
}
