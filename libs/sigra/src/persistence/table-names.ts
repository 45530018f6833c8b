import type { DataSource } from 'typeorm';

/** Sigra's tables as the DataSource names them: quoted, and in its schema where it has one. */
export interface TableNames {
  readonly apiTokens: string;
  readonly auditEvents: string;
}

export function tableNames(dataSource: DataSource): TableNames {
  const { schema, entityPrefix = '' } = dataSource.options as { schema?: string; entityPrefix?: string };
  const qualified = (name: string) => (schema ? `${quote(schema)}.` : '') + quote(entityPrefix + name);
  return { apiTokens: qualified('sigra_api_tokens'), auditEvents: qualified('sigra_audit_events') };
}

export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
