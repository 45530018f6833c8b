import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A row of `sigra_refresh_tokens`. Of a family, at most one is not consumed. */
@Entity('sigra_refresh_tokens', { synchronize: false })
export class RefreshTokenEntity {
  @PrimaryColumn({ name: 'id', type: 'uuid', primaryKeyConstraintName: 'sigra_refresh_tokens_pkey' })
  id!: string;

  @Column({ name: 'family_id', type: 'uuid' })
  familyId!: string;

  /** The token that this one succeeded. */
  @Column({ name: 'parent_id', type: 'uuid', nullable: true })
  parentId!: string | null;

  /** SHA-256 of the raw token. Left out of the host's own queries unless they ask for it. */
  @Column({ name: 'token_hash', type: 'bytea', select: false })
  tokenHash!: Buffer;

  @Column({ name: 'expires_at', type: 'timestamptz', precision: 3 })
  expiresAt!: Date;

  @Column({ name: 'consumed_at', type: 'timestamptz', precision: 3, nullable: true })
  consumedAt!: Date | null;

  /** The raw successor, sealed under this raw token; only within the leeway. */
  @Column({ name: 'sealed_successor', type: 'bytea', nullable: true, select: false })
  sealedSuccessor!: Buffer | null;

  @Column({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}
