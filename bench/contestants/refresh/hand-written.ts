import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { JwtService } from '@nestjs/jwt';
import { Column, CreateDateColumn, DataSource, Entity, Index, IsNull, PrimaryColumn } from 'typeorm';
import { JWT_SECRET } from '../host.js';
import type { RefreshFactory } from './contestant.js';

@Entity('hand_written_refresh_tokens')
export class RefreshToken {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Index()
  @Column({ name: 'user_id', type: 'uuid' })
  userId!: string;

  @Column({ name: 'token_hash', type: 'bytea', unique: true })
  tokenHash!: Buffer;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  expiresAt!: Date;

  @Column({ name: 'consumed_at', type: 'timestamptz', nullable: true })
  consumedAt!: Date | null;
}

@Entity('hand_written_audit_events')
export class AuditEvent {
  @PrimaryColumn({ type: 'uuid' })
  id!: string;

  @Column({ type: 'text' })
  action!: string;

  @Index()
  @Column({ name: 'user_id', type: 'uuid' })
  userId!: string;

  @Column({ type: 'jsonb' })
  metadata!: object;

  @CreateDateColumn({ name: 'occurred_at', type: 'timestamptz' })
  occurredAt!: Date;
}

const hashOf = (rawToken: string) => createHash('sha256').update(rawToken).digest();
const inThirtyDays = () => new Date(Date.now() + 30 * 86_400_000);

/** A transaction as a careful developer writes it: one row lock, two tables, few indexes. */
export const handWritten: RefreshFactory = async (databaseUrl) => {
  const dataSource = await new DataSource({
    type: 'postgres',
    url: databaseUrl,
    entities: [RefreshToken, AuditEvent],
    synchronize: true,
  }).initialize();
  const jwt = new JwtService({ secret: JWT_SECRET, signOptions: { algorithm: 'HS256', expiresIn: 900 } });
  const newToken = (userId: string, raw: string): RefreshToken => ({
    id: randomUUID(),
    userId,
    tokenHash: hashOf(raw),
    expiresAt: inThirtyDays(),
    consumedAt: null,
  });
  return {
    signIn: async (userId) => {
      const raw = randomBytes(32).toString('base64url');
      await dataSource.getRepository(RefreshToken).insert(newToken(userId, raw));
      return raw;
    },
    refresh: (presented) =>
      dataSource.transaction(async (manager) => {
        const token = await manager.findOne(RefreshToken, {
          where: { tokenHash: hashOf(presented) },
          lock: { mode: 'pessimistic_write' },
        });
        if (token?.consumedAt !== null || token.expiresAt <= new Date()) throw new Error('not good');
        const raw = randomBytes(32).toString('base64url');
        await manager.update(RefreshToken, { id: token.id }, { consumedAt: new Date() });
        await manager.insert(RefreshToken, newToken(token.userId, raw));
        await manager.insert(AuditEvent, {
          id: randomUUID(),
          action: 'refresh',
          userId: token.userId,
          metadata: { refreshTokenId: token.id },
        });
        await jwt.signAsync({ sub: token.userId, scope: 'read:projects write:projects', jti: randomUUID() });
        return raw;
      }),
    countLive: () => dataSource.getRepository(RefreshToken).countBy({ consumedAt: IsNull() }),
    close: () => dataSource.destroy(),
  };
};
