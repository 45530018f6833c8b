import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('demo_projects')
export class Project {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  /** `user` or `organization`, as in `Principal.owner`. */
  @Column({ name: 'owner_type', type: 'text' })
  ownerType!: string;

  @Column({ name: 'owner_id', type: 'uuid' })
  ownerId!: string;

  @Column({ type: 'varchar', length: 100 })
  name!: string;

  @Column({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}
