import { randomUUID } from 'node:crypto';
import { Injectable, NotFoundException } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { type AnyPrincipal, AuditService, type Caller, decodeCursor, encodeCursor, type Owner } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { Project } from './project.entity.js';

export interface ProjectPage {
  readonly projects: readonly Project[];
  readonly nextCursor: string | null;
}

/** The resource of a project, as tokens name it in `resources`. */
export const resourceOf = (projectId: string) => `project:${projectId}`;

@Injectable()
export class ProjectsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly audit: AuditService,
  ) {}

  /**
   * Lists a page of the owner's projects, oldest first, without those that the credential is not limited to. Sigra's cursors
   * work for the host's own tables as well.
   */
  async list(
    principal: AnyPrincipal,
    { limit, cursor }: { readonly limit: number; readonly cursor?: string },
  ): Promise<ProjectPage> {
    const { type, id } = ownerOf(principal);
    const query = this.dataSource
      .createQueryBuilder(Project, 'project')
      .where('project.ownerType = :type AND project.ownerId = :id', { type, id })
      .orderBy('project.createdAt')
      .addOrderBy('project.id')
      .limit(limit + 1);
    const ids = projectIdsIn(principal.resources);
    if (ids) query.andWhere('project.id = ANY(:ids)', { ids });
    if (cursor !== undefined) {
      const { createdAt, id: last } = decodeCursor(cursor);
      query.andWhere('(project.createdAt, project.id) > (:createdAt, :last)', { createdAt, last });
    }
    const rows = await query.getMany();
    const projects = rows.slice(0, limit);
    const last = projects.at(-1);
    return { projects, nextCursor: rows.length > limit && last ? encodeCursor(last.createdAt, last.id) : null };
  }

  /** @throws NotFoundException if the owner has no such project */
  async find(principal: AnyPrincipal, id: string): Promise<Project> {
    const { type: ownerType, id: ownerId } = ownerOf(principal);
    const project = isUUID(id) && (await this.dataSource.manager.findOneBy(Project, { id, ownerType, ownerId }));
    if (!project) throw new NotFoundException('There is no such project.');
    return project;
  }

  /** Creates a project and its audit event in one transaction. */
  create(principal: AnyPrincipal, name: string, { ipAddress, userAgent }: Caller): Promise<Project> {
    const { type: ownerType, id: ownerId } = ownerOf(principal);
    const { tokenId } = principal;
    return this.dataSource.transaction(async (manager) => {
      const project: Project = { id: randomUUID(), ownerType, ownerId, name, createdAt: new Date() };
      await manager.insert(Project, project);
      await this.audit.append(manager, {
        action: 'project.create',
        actorId: ownerId,
        actorType: ownerType,
        targetId: project.id,
        targetType: 'project',
        metadata: { name, ...(tokenId !== undefined && { viaTokenId: tokenId }) },
        ipAddress,
        userAgent,
      });
      return project;
    });
  }
}

/** A user, or the organization whose token makes the request. */
function ownerOf(principal: AnyPrincipal): Owner {
  return principal.user ? { type: 'user', id: principal.userId } : principal.owner;
}

/** The ids of the projects that a credential is limited to; undefined for all. */
function projectIdsIn(resources: readonly string[] | undefined): string[] | undefined {
  if (!resources || resources.includes(resourceOf('*'))) return undefined;
  const prefix = resourceOf('');
  return resources
    .filter((each) => each.startsWith(prefix))
    .map((each) => each.slice(prefix.length))
    .filter((id) => isUUID(id));
}
