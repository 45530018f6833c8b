import { Column, Entity, PrimaryColumn } from 'typeorm';

/**
 * A row of `sigra_api_tokens`, for the host's own queries. Made by `sigraMigrations` alone: TypeORM's `synchronize` and
 * `migration:generate`, which would drop the indexes that no entity can describe, leave the table be.
 */
@Entity('sigra_api_tokens', { synchronize: false })
export class ApiTokenEntity {
  @PrimaryColumn({ name: 'id', type: 'uuid', primaryKeyConstraintName: 'sigra_api_tokens_pkey' })
  id!: string;

  @Column({ name: 'user_id', type: 'text' })
  userId!: string;

  @Column({ name: 'name', type: 'varchar', length: 255 })
  name!: string;

  @Column({ name: 'prefix', type: 'text' })
  prefix!: string;

  /** The first characters after the prefix, for display. */
  @Column({ name: 'hint', type: 'text' })
  hint!: string;

  /** SHA-256 of the raw token. Left out of the host's own queries unless they ask for it. */
  @Column({ name: 'token_hash', type: 'bytea', select: false })
  tokenHash!: Buffer;

  @Column({ name: 'scopes', type: 'text', array: true })
  scopes!: string[];

  @Column({ name: 'expires_at', type: 'timestamptz', precision: 3, nullable: true })
  expiresAt!: Date | null;

  @Column({ name: 'revoked_at', type: 'timestamptz', precision: 3, nullable: true })
  revokedAt!: Date | null;

  @Column({ name: 'last_used_at', type: 'timestamptz', precision: 3, nullable: true })
  lastUsedAt!: Date | null;

  @Column({ name: 'last_used_ip', type: 'text', nullable: true })
  lastUsedIp!: string | null;

  /** The token that rotation put in this one's place. */
  @Column({ name: 'replaced_by', type: 'uuid', nullable: true })
  replacedBy!: string | null;

  @Column({ name: 'created_at', type: 'timestamptz', precision: 3 })
  createdAt!: Date;
}
