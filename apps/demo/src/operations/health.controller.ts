import { Controller, Get, Header, ServiceUnavailableException } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { AllowAnonymous, HealthProbe, type HealthReport } from 'nestjs-sigra';
import { RefusalResponse } from '../docs/refusal-response.decorator.js';

class HealthDto implements HealthReport {
  @ApiProperty({ enum: ['up', 'degraded'] })
  status!: HealthReport['status'];

  @ApiProperty({ enum: ['reachable'] })
  database!: HealthReport['database'];

  @ApiProperty({ enum: ['complete'] })
  migrations!: HealthReport['migrations'];

  @ApiProperty({ type: Number, nullable: true, description: 'Milliseconds that this clock is ahead of the database' })
  clockDifference!: number | null;

  @ApiProperty({ enum: ['on_time', 'overdue'] })
  cleanup!: HealthReport['cleanup'];
}

@ApiTags('Operations')
@Controller('health')
@AllowAnonymous()
export class HealthController {
  constructor(private readonly probe: HealthProbe) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Whether this node can serve requests' })
  @ApiOkResponse({ type: HealthDto })
  @RefusalResponse(503, 'No credential can be verified.')
  async check(): Promise<HealthDto> {
    const report = await this.probe.check();
    if (report.status !== 'down') return report;
    const message = reasonOf(report);
    throw new ServiceUnavailableException({ statusCode: 503, error: 'unavailable', message, ...report });
  }
}

function reasonOf({ database, migrations }: HealthReport): string {
  if (database === 'unreachable') return 'The database does not answer.';
  if (migrations === 'incomplete') return 'The migrations are incomplete.';
  return 'The database answers with an error.';
}
