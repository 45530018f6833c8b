import { Get, UseGuards } from '@nestjs/common';
import { CurrentUser, SessionAuthGuard } from 'nestjs-sigra';
import { distributionOf, operationsIn } from '../operations/operation-figures.js';
import { PrometheusMetrics } from '../operations/prometheus-metrics.js';
import type { User } from '../users/user.entity.js';
import { PageController } from './page-controller.decorator.js';
import { view, type View } from './page.js';
import { TokenRequestsService } from './token-requests.service.js';

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
      verification: distributionOf(figures, 'sigra.operation.duration', { 'sigra.operation': 'api_token.verify' }),
      batches: distributionOf(figures, 'sigra.lookup.batch.size', { 'sigra.lookup': 'api_token' }),
    });
  }
}
