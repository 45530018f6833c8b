import { ApiTokenEntity } from './api-token.entity.js';
import { AuditEventEntity } from './audit-event.entity.js';
import { RefreshFamilyEntity } from './refresh-family.entity.js';
import { RefreshTokenEntity } from './refresh-token.entity.js';
import { SubjectEntity } from './subject.entity.js';

/** Sigra's entities, for the `entities` of the host's DataSource. */
export const sigraEntities = [ApiTokenEntity, AuditEventEntity, RefreshFamilyEntity, RefreshTokenEntity, SubjectEntity];
