import type { DataSource } from 'typeorm';

/** Sigra's tables as the DataSource names them: quoted, and in its schema where it has one. */
export interface TableNames {
  readonly apiTokens: string;
  readonly auditEvents: string;
  readonly refreshFamilies: string;
  readonly refreshTokens: string;
  readonly subjects: string;
}

export function tableNames(dataSource: DataSource): TableNames {
  const { schema, entityPrefix = '' } = dataSource.options as { schema?: string; entityPrefix?: string };
  const qualified = (name: string) => (schema ? `${quote(schema)}.` : '') + quote(entityPrefix + name);
  return {
    apiTokens: qualified('sigra_api_tokens'),
    auditEvents: qualified('sigra_audit_events'),
    refreshFamilies: qualified('sigra_refresh_families'),
    refreshTokens: qualified('sigra_refresh_tokens'),
    subjects: qualified('sigra_subjects'),
  };
}

export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
