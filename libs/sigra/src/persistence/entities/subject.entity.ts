import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A row of `sigra_subjects`: a user's token epoch. A user without a row is in epoch 0. */
@Entity('sigra_subjects', { synchronize: false })
export class SubjectEntity {
  @PrimaryColumn({ name: 'user_id', type: 'text', primaryKeyConstraintName: 'sigra_subjects_pkey' })
  userId!: string;

  /** JWTs and refresh tokens of an earlier epoch are dead. */
  @Column({ name: 'token_epoch', type: 'integer' })
  tokenEpoch!: number;
}
