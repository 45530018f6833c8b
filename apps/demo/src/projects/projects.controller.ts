import { Body, Controller, Get, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentCaller, CurrentUser, RequireScopes } from 'nestjs-sigra';
import { RefusalResponse } from '../docs/refusal-response.decorator.js';
import type { User } from '../users/user.entity.js';
import { CreateProjectDto, ListProjectsDto, ProjectDto, ProjectPageDto } from './project.dto.js';
import type { Project } from './project.entity.js';
import { ProjectsService } from './projects.service.js';

/** An ordinary resource. The guard has found the user and checked the scopes before a handler runs. */
@ApiTags('Projects')
@Controller('api/projects')
export class ProjectsController {
  constructor(private readonly projects: ProjectsService) {}

  @Get()
  @RequireScopes('read:projects')
  @ApiOperation({ summary: 'Your projects, oldest first' })
  @ApiOkResponse({ type: ProjectPageDto })
  @RefusalResponse(400, 'The limit or the cursor is invalid.')
  async list(@CurrentUser() user: User, @Query() query: ListProjectsDto): Promise<ProjectPageDto> {
    const { projects, nextCursor } = await this.projects.list(user, query);
    return { projects: projects.map(toDto), nextCursor };
  }

  @Post()
  @RequireScopes('write:projects')
  @ApiOperation({ summary: 'Create a project' })
  @ApiCreatedResponse({ type: ProjectDto })
  @RefusalResponse(400, 'The name is missing, too long, or contains control characters.')
  async create(
    @CurrentUser() user: User,
    @Body() { name }: CreateProjectDto,
    @CurrentCaller() caller: Caller,
  ): Promise<ProjectDto> {
    return toDto(await this.projects.create(user, name, caller));
  }
}

function toDto({ id, name, createdAt }: Project): ProjectDto {
  return { id, name, createdAt };
}
