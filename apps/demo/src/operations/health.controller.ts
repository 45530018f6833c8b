import { Controller, Get, Header, ServiceUnavailableException } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { AllowAnonymous, HealthProbe } from 'nestjs-sigra';
import { RefusalResponse } from '../docs/refusal-response.decorator.js';

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
  constructor(private readonly probe: HealthProbe) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOperation({ summary: 'Whether this node can serve requests' })
  @ApiOkResponse({ type: HealthDto })
  @RefusalResponse(503, 'The database does not answer.')
  async check(): Promise<HealthDto> {
    const { status } = await this.probe.check();
    if (status !== 'down') return { status: 'ok', database: 'up' };
    throw new ServiceUnavailableException({
      statusCode: 503,
      error: 'unavailable',
      message: 'The database does not answer.',
      database: 'down',
    });
  }
}
