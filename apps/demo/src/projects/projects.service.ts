import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AuditService, decodeCursor, encodeCursor, type Principal } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import type { User } from '../users/user.entity.js';
import type { Visitor } from '../visitor.decorator.js';
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

  /** A page of the owner's projects, oldest first. Sigra's cursors serve tables of the host's own as well. */
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

  /** The project and its audit event are there afterwards, or neither is: the event joins the transaction. */
  create({ user: owner, tokenId }: Principal<User>, name: string, visitor: Visitor): Promise<Project> {
    return this.dataSource.transaction(async (manager) => {
      const project = manager.create(Project, { id: randomUUID(), ownerId: owner.id, name, createdAt: new Date() });
      await manager.insert(Project, project);
      await this.audit.append(manager, {
        action: 'project.create',
        actorId: owner.id,
        targetId: project.id,
        targetType: 'project',
        metadata: { name, ...(tokenId !== undefined && { viaTokenId: tokenId }) },
        ...visitor,
      });
      return project;
    });
  }
}
