import { CreateBrowserSessions1767312000000 } from './create-browser-sessions.migration.js';
import { CreateProjects1767308400000 } from './create-projects.migration.js';
import { CreateStartTokens1767319200000 } from './create-start-tokens.migration.js';
import { CreateUsers1767304800000 } from './create-users.migration.js';
import { IndexAuditEventsByOwner1767322800000 } from './index-audit-events-by-owner.migration.js';
import { CreateSentForms1767315600000 } from './create-sent-forms.migration.js';

/** The demo's own migrations; TypeORM runs them by the time in their names, after Sigra's. */
export const demoMigrations = [
  CreateUsers1767304800000,
  CreateProjects1767308400000,
  CreateBrowserSessions1767312000000,
  CreateSentForms1767315600000,
  CreateStartTokens1767319200000,
  IndexAuditEventsByOwner1767322800000,
];
