import { Get, UseGuards } from '@nestjs/common';
import { CurrentUser, SessionAuthGuard } from 'nestjs-sigra';
import { distributionOf, operationsIn } from '../operations/operation-figures.js';
import { PrometheusMetrics } from '../operations/prometheus-metrics.js';
import type { User } from '../users/user.entity.js';
import { PageController } from './page-controller.decorator.js';
import { view, type View } from './page.js';
import { TokenRequestsService } from './token-requests.service.js';

const API_TOKENS = { 'sigra.lookup': 'api_token' };

/** Charts of the figures that `/metrics` serves, and of the requests with the user's tokens. */
@PageController('settings/metrics')
@UseGuards(SessionAuthGuard)
export class MetricsPageController {
  constructor(
    private readonly metrics: PrometheusMetrics,
    private readonly requests: TokenRequestsService,
  ) {}

  @Get()
  async show(@CurrentUser() user: User): Promise<View> {
    const figures = await this.metrics.collect();
    return view('metrics', 'Metrics', {
      requests: await this.requests.of(user),
      operations: operationsIn(figures),
      queries: distributionOf(figures, 'sigra.lookup.duration', API_TOKENS),
      batches: distributionOf(figures, 'sigra.lookup.batch.size', API_TOKENS),
    });
  }
}
