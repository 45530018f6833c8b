import type { Provider } from '@nestjs/common';
import { SIGRA_CONFIG } from '../config/sigra-config.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { ApiTokenSearchRepository } from './api-token-search.repository.js';
import { AuditEventRepository } from './audit-event.repository.js';
import { AuditPartitionRepository } from './audit-partition.repository.js';
import { BootChecks } from './boot-checks.js';
import { CleanupRepository } from './cleanup.repository.js';
import { DpopProofRepository } from './dpop-proof.repository.js';
import { HealthRepository } from './health.repository.js';
import { IdempotencyKeyRepository } from './idempotency-key.repository.js';
import { ImportedTokenRepository } from './imported-token.repository.js';
import { LineageRepository } from './lineage.repository.js';
import { OwnerTypeClaim } from './owner-type.claim.js';
import { OwnerDirectories } from './owner-directories.js';
import { OwnerRepository } from './owner.repository.js';
import { OwnerStateReader } from './owner-state.reader.js';
import { RefreshFamilyRepository } from './refresh-family.repository.js';
import { RefreshTokenRepository } from './refresh-token.repository.js';
import { findQualifiedNames, QUALIFIED_NAMES } from './qualified-names.js';
import { SchemaCheck } from './schema.check.js';
import { SIGRA_DATA_SOURCE, SigraDatabase } from './sigra-database.js';
import { Standbys } from './standbys.js';
import { SweepRepository } from './sweep.repository.js';
import { TokenNoticeRepository } from './token-notice.repository.js';
import { TokenUsageRepository } from './token-usage.repository.js';
import { UserDirectory } from './user-directory.js';
import { describeOwnerEntities, OWNER_ENTITIES } from './user-entity.js';

/** The providers of the repositories and the database. */
export const persistenceProviders: Provider[] = [
  { provide: QUALIFIED_NAMES, useFactory: findQualifiedNames, inject: [SIGRA_DATA_SOURCE] },
  SigraDatabase,
  Standbys,
  { provide: OWNER_ENTITIES, useFactory: describeOwnerEntities, inject: [SIGRA_CONFIG, SigraDatabase] },
  OwnerDirectories,
  { provide: UserDirectory, useFactory: ({ users }: OwnerDirectories) => users, inject: [OwnerDirectories] },
  ApiTokenRepository,
  ImportedTokenRepository,
  ApiTokenSearchRepository,
  AuditEventRepository,
  RefreshFamilyRepository,
  RefreshTokenRepository,
  DpopProofRepository,
  IdempotencyKeyRepository,
  LineageRepository,
  OwnerRepository,
  OwnerStateReader,
  OwnerTypeClaim,
  SchemaCheck,
  SweepRepository,
  TokenUsageRepository,
  CleanupRepository,
  AuditPartitionRepository,
  HealthRepository,
  TokenNoticeRepository,
  BootChecks,
];
