import { Column, Entity, PrimaryColumn } from 'typeorm';

/** An organization: `owners` of Sigra's options names it, so it can have API tokens. */
@Entity('demo_organizations')
export class Organization {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'text' })
  name!: string;
}

/** Owners manage the tokens of their organization; members see them. */
export type Role = 'owner' | 'member';

@Entity('demo_members')
export class Member {
  @PrimaryColumn({ name: 'user_id', type: 'uuid' })
  userId!: string;

  @PrimaryColumn({ name: 'organization_id', type: 'uuid' })
  organizationId!: string;

  @Column({ type: 'text' })
  role!: Role;
}
