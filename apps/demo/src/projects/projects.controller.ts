import { Body, Controller, Get, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, CurrentUser, type Principal, RequireScopes } from 'nestjs-sigra';
import { RefusalResponse } from '../docs/refusal-response.decorator.js';
import type { User } from '../users/user.entity.js';
import { CurrentVisitor, type Visitor } from '../visitor.decorator.js';
import { CreateProjectDto, ListProjectsDto, ProjectDto, ProjectPageDto } from './project.dto.js';
import type { Project } from './project.entity.js';
import { ProjectsService } from './projects.service.js';

/** An ordinary resource. Who calls, and whether the credential has the scope, has been settled before a handler runs. */
@ApiTags('Projects')
@Controller('api/projects')
export class ProjectsController {
  constructor(private readonly projects: ProjectsService) {}

  @Get()
  @RequireScopes('read:projects')
  @ApiOperation({ summary: 'Your projects, oldest first', description: 'Scope: `read:projects`.' })
  @ApiOkResponse({ type: ProjectPageDto })
  @RefusalResponse(403, 'The credential lacks `read:projects`.')
  async list(@CurrentUser() user: User, @Query() query: ListProjectsDto): Promise<ProjectPageDto> {
    const { projects, nextCursor } = await this.projects.list(user, query);
    return { projects: projects.map(toDto), nextCursor };
  }

  @Post()
  @RequireScopes('write:projects')
  @ApiOperation({ summary: 'Create a project', description: 'Scope: `write:projects`.' })
  @ApiCreatedResponse({ type: ProjectDto })
  @RefusalResponse(400, 'The name is missing or too long.')
  @RefusalResponse(403, 'The credential lacks `write:projects`.')
  async create(
    @CurrentPrincipal() principal: Principal<User>,
    @Body() { name }: CreateProjectDto,
    @CurrentVisitor() visitor: Visitor,
  ): Promise<ProjectDto> {
    return toDto(await this.projects.create(principal, name, visitor));
  }
}

function toDto({ id, name, createdAt }: Project): ProjectDto {
  return { id, name, createdAt };
}
