import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AuditService, type Caller, decodeCursor, encodeCursor } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import type { User } from '../users/user.entity.js';
import { Project } from './project.entity.js';

export interface ProjectPage {
  readonly projects: readonly Project[];
  readonly nextCursor: string | null;
}

@Injectable()
export class ProjectsService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly audit: AuditService,
  ) {}

  /** Lists a page of the owner's projects, oldest first. Sigra's cursors work for the host's own tables as well. */
  async list(owner: User, { limit, cursor }: { limit: number; cursor?: string }): Promise<ProjectPage> {
    const query = this.dataSource
      .createQueryBuilder(Project, 'project')
      .where('project.ownerId = :owner', { owner: owner.id })
      .orderBy('project.createdAt')
      .addOrderBy('project.id')
      .limit(limit + 1);
    if (cursor !== undefined) {
      query.andWhere('(project.createdAt, project.id) > (:createdAt, :id)', { ...decodeCursor(cursor) });
    }
    const rows = await query.getMany();
    const projects = rows.slice(0, limit);
    const last = projects.at(-1);
    return { projects, nextCursor: rows.length > limit && last ? encodeCursor(last.createdAt, last.id) : null };
  }

  /** Creates a project and its audit event in one transaction. */
  create(owner: User, name: string, { principal, ipAddress, userAgent }: Caller): Promise<Project> {
    const tokenId = principal?.tokenId;
    return this.dataSource.transaction(async (manager) => {
      const project = manager.create(Project, { id: randomUUID(), ownerId: owner.id, name, createdAt: new Date() });
      await manager.insert(Project, project);
      await this.audit.append(manager, {
        action: 'project.create',
        actorId: owner.id,
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
