import { setTimeout as delay } from 'node:timers/promises';
import { Controller, Get, Header, ServiceUnavailableException } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { AllowAnonymous } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { RefusalResponse } from '../docs/refusal-response.decorator.js';

/** Short, because a load balancer should remove a slow node instead of waiting for it. */
const TIMEOUT_MS = 2000;

class HealthDto {
  @ApiProperty({ enum: ['ok'] })
  status!: 'ok';

  @ApiProperty({ enum: ['up'] })
  database!: 'up';
}

@ApiTags('Operations')
@Controller('health')
@AllowAnonymous()
export class HealthController {
  constructor(private readonly dataSource: DataSource) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Whether this node can serve requests' })
  @ApiOkResponse({ type: HealthDto })
  @RefusalResponse(503, 'The database does not answer.')
  async check(): Promise<HealthDto> {
    if (await this.databaseAnswers()) return { status: 'ok', database: 'up' };
    throw new ServiceUnavailableException({
      statusCode: 503,
      error: 'unavailable',
      message: 'The database does not answer.',
      database: 'down',
    });
  }

  private databaseAnswers(): Promise<boolean> {
    const answer = this.dataSource.query('SELECT 1').then(
      () => true,
      () => false,
    );
    return Promise.race([answer, delay(TIMEOUT_MS, false, { ref: false })]);
  }
}
