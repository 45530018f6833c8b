import { Controller, Get, UseGuards } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiTokenEntity, AuditEventEntity, Clock, RequireScopes } from 'nestjs-sigra';
import { DataSource, IsNull, MoreThan, Not } from 'typeorm';
import { RefusalResponse } from '../docs/refusal-response.decorator.js';
import { Project } from '../projects/project.entity.js';
import { User } from '../users/user.entity.js';
import { AdminGuard } from './admin.guard.js';
import { StatsDto } from './stats.dto.js';

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
  @ApiOperation({ summary: 'Counts of everything', description: 'Scope: `admin`, and the user is an administrator.' })
  @ApiOkResponse({ type: StatsDto })
  @RefusalResponse(403, 'The credential lacks `admin`, or the user is no administrator.')
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
