import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { DataSource } from 'typeorm';
import { User } from '../users/user.entity.js';
import { Member, Organization, type Role } from './organization.entities.js';

/** The type of organizations among the owners of API tokens: the key of `owners` in Sigra's options. */
export const ORGANIZATION = 'organization';

/** An organization, as one of its members sees it. */
export interface Membership {
  readonly organization: Organization;
  readonly role: Role;
}

/** Answers who belongs to which organization. Sigra does not know members: it asks `canManage`. */
@Injectable()
export class OrganizationsService {
  constructor(private readonly dataSource: DataSource) {}

  /** Whether a user is an owner of an organization, so that the user can manage its tokens. */
  async isOwner(userId: string, organizationId: string): Promise<boolean> {
    if (!isUUID(organizationId)) return false;
    return this.dataSource.manager.existsBy(Member, { userId, organizationId, role: 'owner' });
  }

  /** The organization of a user; in this demo, everyone has at most one. */
  async of({ id: userId }: User): Promise<Membership | undefined> {
    const member = await this.dataSource.manager.findOneBy(Member, { userId });
    if (!member) return undefined;
    const organization = await this.dataSource.manager.findOneByOrFail(Organization, { id: member.organizationId });
    return { organization, role: member.role };
  }

  /** The members of an organization, by email. */
  members({ id }: Organization): Promise<{ id: string; email: string; role: Role }[]> {
    return this.dataSource
      .createQueryBuilder(User, 'user')
      .innerJoin(Member, 'member', 'member.userId = user.id')
      .select(['user.id AS id', 'user.email AS email', 'member.role AS role'])
      .where('member.organizationId = :id', { id })
      .orderBy('user.email')
      .getRawMany();
  }
}
