import { Controller, Get, UseGuards } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { ApiTokenEntity, AuditEventEntity, Clock, RequireScopes } from 'nestjs-sigra';
import { DataSource, IsNull, MoreThan, Not } from 'typeorm';
import { RefusalResponse } from '../docs/refusal-response.decorator.js';
import { Project } from '../projects/project.entity.js';
import { User } from '../users/user.entity.js';
import { AdminGuard } from './admin.guard.js';

class StatsDto {
  @ApiProperty({ example: 2 })
  users!: number;

  @ApiProperty({ example: 3 })
  projects!: number;

  @ApiProperty({ example: 2, description: 'Tokens that are neither revoked nor expired.' })
  activeTokens!: number;

  @ApiProperty({ example: 1 })
  revokedTokens!: number;

  @ApiProperty({ example: 12 })
  auditEvents!: number;
}

@ApiTags('Admin')
@Controller('api/admin')
@RequireScopes('admin')
@UseGuards(AdminGuard)
export class AdminController {
  constructor(
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  @Get('stats')
  @ApiOperation({ summary: 'Statistics of the whole demo', description: 'The user must be an administrator.' })
  @ApiOkResponse({ type: StatsDto })
  @RefusalResponse(403, 'The credential lacks `admin`, or the user is not an administrator.')
  async stats(): Promise<StatsDto> {
    const { manager } = this.dataSource;
    const live = { revokedAt: IsNull() };
    const [users, projects, activeTokens, revokedTokens, auditEvents] = await Promise.all([
      manager.count(User),
      manager.count(Project),
      manager.countBy(ApiTokenEntity, [
        { ...live, expiresAt: IsNull() },
        { ...live, expiresAt: MoreThan(this.clock.now()) },
      ]),
      manager.countBy(ApiTokenEntity, { revokedAt: Not(IsNull()) }),
      manager.count(AuditEventEntity),
    ]);
    return { users, projects, activeTokens, revokedTokens, auditEvents };
  }
}
