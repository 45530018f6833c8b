import { Body, Controller, type ExecutionContext, Get, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import {
  AllowOwners,
  type AnyPrincipal,
  type Caller,
  CurrentCaller,
  CurrentPrincipal,
  RequireScopes,
} from 'nestjs-sigra';
import { RefusalResponse } from '../docs/refusal-response.decorator.js';
import { ORGANIZATION } from '../organizations/organizations.service.js';
import { CreateProjectDto, ListProjectsDto, ProjectDto, ProjectPageDto } from './project.dto.js';
import type { Project } from './project.entity.js';
import { ProjectsService, resourceOf } from './projects.service.js';

/** The project in the address of a request. */
const requested = (context: ExecutionContext) =>
  resourceOf(context.switchToHttp().getRequest<{ params: { id: string } }>().params.id);

/**
 * An ordinary resource. The guard has found the owner and checked the scopes before a handler runs: a user in a browser, a
 * token of a user, or a token of an organization.
 */
@ApiTags('Projects')
@Controller('api/projects')
@AllowOwners('user', ORGANIZATION)
export class ProjectsController {
  constructor(private readonly projects: ProjectsService) {}

  @Get()
  @RequireScopes('read:projects', { resource: 'filtered' })
  @ApiOperation({ summary: 'Your projects, oldest first' })
  @ApiOkResponse({ type: ProjectPageDto })
  @RefusalResponse(400, 'The limit or the cursor is invalid.')
  async list(@CurrentPrincipal() principal: AnyPrincipal, @Query() query: ListProjectsDto): Promise<ProjectPageDto> {
    const { projects, nextCursor } = await this.projects.list(principal, query);
    return { projects: projects.map(toDto), nextCursor };
  }

  @Get(':id')
  @RequireScopes('read:projects', { resource: requested })
  @ApiOperation({ summary: 'One of your projects' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: ProjectDto })
  @RefusalResponse(404, 'You have no such project.')
  async find(@CurrentPrincipal() principal: AnyPrincipal, @Param('id') id: string): Promise<ProjectDto> {
    return toDto(await this.projects.find(principal, id));
  }

  /** A new project is not one that a token is limited to, so a token with `resources` cannot create any. */
  @Post()
  @RequireScopes('write:projects')
  @ApiOperation({ summary: 'Create a project' })
  @ApiCreatedResponse({ type: ProjectDto })
  @RefusalResponse(400, 'The name is missing, too long, or contains control characters.')
  async create(
    @CurrentPrincipal() principal: AnyPrincipal,
    @Body() { name }: CreateProjectDto,
    @CurrentCaller() caller: Caller,
  ): Promise<ProjectDto> {
    return toDto(await this.projects.create(principal, name, caller));
  }
}

function toDto({ id, name, createdAt }: Project): ProjectDto {
  return { id, name, createdAt };
}
