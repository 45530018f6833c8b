import { ApiTokenRepository } from './api-token.repository.js';
import { AuditEventRepository } from './audit-event.repository.js';
import { CleanupRepository } from './cleanup.repository.js';
import { RefreshFamilyRepository } from './refresh-family.repository.js';
import { RefreshTokenRepository } from './refresh-token.repository.js';
import { SigraDatabase } from './sigra-database.js';
import { UserDirectory } from './user-directory.js';

/** The providers of the repositories and the database. */
export const persistenceProviders = [
  SigraDatabase,
  UserDirectory,
  ApiTokenRepository,
  AuditEventRepository,
  RefreshFamilyRepository,
  RefreshTokenRepository,
  CleanupRepository,
];
