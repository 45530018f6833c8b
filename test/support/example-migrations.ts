import { OnlineMigration } from '../../libs/sigra/src/persistence/migrations/online.migration.js';
import {
  addCheck,
  addColumn,
  addForeignKey,
  addIndex,
  dropped,
} from '../../libs/sigra/src/persistence/migrations/online-steps.js';

/** An example: columns and a condition. */
export class AddRemark1900000000000 extends OnlineMigration {
  readonly name = 'AddRemark1900000000000';
  protected readonly steps = [
    addColumn('apiTokens', 'remark', 'text'),
    addColumn('apiTokens', 'revision', 'integer NOT NULL DEFAULT 1'),
    addColumn('auditEvents', 'place', `text DEFAULT 'unknown'`),
    addCheck('auditEvents', 'sigra_audit_events_place', 'place IS NOT NULL'),
    addCheck('apiTokens', 'sigra_api_tokens_remark', 'length(remark) <= 100'),
  ];
}

/** An example: indexes. */
export class AddNameIndex1900000000001 extends OnlineMigration {
  readonly name = 'AddNameIndex1900000000001';
  protected readonly steps = [
    addIndex('apiTokens', 'sigra_api_tokens_name', '(name)'),
    addIndex('auditEvents', 'sigra_audit_events_address', '(ip_address) WHERE ip_address IS NOT NULL'),
    addIndex('refreshTokens', 'sigra_refresh_tokens_id', '(id, family_id)', { unique: true }),
  ];
}

/** An example: a reference to another table, with the index that finds what refers to a row that is deleted. */
export class AddMaker1900000000002 extends OnlineMigration {
  readonly name = 'AddMaker1900000000002';
  protected readonly steps = [
    addColumn('refreshTokens', 'maker_id', 'uuid'),
    addIndex('refreshTokens', 'sigra_refresh_tokens_of_maker', '(maker_id)'),
    addForeignKey('refreshTokens', 'sigra_refresh_tokens_maker', 'maker_id', 'apiTokens'),
  ];
}

/** An example: dropping an index that the version before does not use. */
export class DropAddressIndex1900000000003 extends OnlineMigration {
  readonly name = 'DropAddressIndex1900000000003';
  protected readonly steps = [
    dropped(addIndex('auditEvents', 'sigra_audit_events_address', '(ip_address) WHERE ip_address IS NOT NULL')),
  ];
}

/** Migrations that later versions could add to `sigraMigrations`. */
export const exampleMigrations = [
  AddRemark1900000000000,
  AddNameIndex1900000000001,
  AddMaker1900000000002,
  DropAddressIndex1900000000003,
];
