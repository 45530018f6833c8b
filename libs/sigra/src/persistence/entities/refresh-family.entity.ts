import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A row of `sigra_refresh_families`: one sign-in, and all refresh tokens that descend from it. */
@Entity('sigra_refresh_families', { synchronize: false })
export class RefreshFamilyEntity {
  @PrimaryColumn({ name: 'id', type: 'uuid', primaryKeyConstraintName: 'sigra_refresh_families_pkey' })
  id!: string;

  @Column({ name: 'user_id', type: 'text' })
  userId!: string;

  /** The user's token epoch when it began: an older one than the user's is dead. */
  @Column({ name: 'epoch', type: 'integer' })
  epoch!: number;

  @Column({ name: 'scopes', type: 'text', array: true })
  scopes!: string[];

  @Column({ name: 'absolute_expires_at', type: 'timestamptz', precision: 3 })
  absoluteExpiresAt!: Date;

  @Column({ name: 'revoked_at', type: 'timestamptz', precision: 3, nullable: true })
  revokedAt!: Date | null;

  /** `revoked`, `reuse_detected` or `sign_out_everywhere`. */
  @Column({ name: 'revoke_reason', type: 'text', nullable: true })
  revokeReason!: string | null;

  @Column({ name: 'ip', type: 'text', nullable: true })
  ip!: string | null;

  @Column({ name: 'user_agent', type: 'text', nullable: true })
  userAgent!: string | null;

  @Column({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}
