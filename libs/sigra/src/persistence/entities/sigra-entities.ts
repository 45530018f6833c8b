import { ApiTokenEntity } from './api-token.entity.js';
import { AuditEventEntity } from './audit-event.entity.js';

/** Sigra's entities, for the `entities` of the host's DataSource. */
export const sigraEntities = [ApiTokenEntity, AuditEventEntity];
