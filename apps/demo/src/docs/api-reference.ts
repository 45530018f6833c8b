import type { OpenAPIObject } from '@nestjs/swagger';
import { curlOf } from './operation-curl.js';
import { fieldsOf, type Field, type Schema } from './schema-fields.js';

/** The operations of one tag. */
export interface ReferenceSection {
  readonly tag: string;
  readonly operations: readonly ReferenceOperation[];
}

/** An operation, as the page shows it. */
export interface ReferenceOperation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  /** The credentials that it accepts, in words. */
  readonly access: string;
  readonly fields: readonly Field[];
  readonly answers: readonly { readonly status: string; readonly description: string }[];
  readonly curl: string;
  /** The address to open in a signed-in browser; undefined for what needs more than an address. */
  readonly link: string | undefined;
}

/** The parts of an operation of OpenAPI that the page needs. */
export interface Operation {
  readonly operationId: string;
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly description?: string;
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, { readonly description?: string }>>;
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: Schema;
}

const METHODS = ['get', 'post', 'patch', 'put', 'delete'];

const CREDENTIALS: Readonly<Record<string, string>> = {
  apiToken: 'an API token',
  jwt: 'a JWT',
  session: 'a session',
  oauth2: 'a token of client credentials',
};

/** Turns an OpenAPI document into the sections of the page, in the order of the document's tags. */
export function apiReference(document: OpenAPIObject, url: string): ReferenceSection[] {
  const schemas = (document.components?.schemas ?? {}) as Readonly<Record<string, Schema>>;
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    METHODS.flatMap((method) => {
      const operation = (methods as Readonly<Record<string, unknown>>)[method] as Operation | undefined;
      return operation ? [{ method, path, operation }] : [];
    }),
  );
  return (document.tags ?? []).flatMap(({ name: tag }) => {
    const ofTag = operations.filter(({ operation }) => operation.tags?.includes(tag));
    const shown = ofTag.map(({ method, path, operation }) => describe(method, path, operation, schemas, url));
    return shown.length > 0 ? [{ tag, operations: shown }] : [];
  });
}

function describe(
  method: string,
  path: string,
  operation: Operation,
  schemas: Readonly<Record<string, Schema>>,
  url: string,
): ReferenceOperation {
  const { operationId: id, summary = path, description = '', parameters = [], requestBody, responses } = operation;
  const [contentType, body] = Object.entries(requestBody?.content ?? {})[0] ?? [];
  const inBody = fieldsOf(body?.schema, schemas);
  const inAddress = parameters.map((each) => fieldOf(each));
  const needsMore = parameters.some(({ in: place, required }) => place === 'path' || required === true);
  return {
    id,
    method,
    path,
    summary,
    description,
    access: accessOf(operation),
    fields: [...inAddress, ...inBody],
    answers: Object.entries(responses).map(([status, each]) => ({ status, description: each.description ?? '' })),
    curl: curlOf({ method, address: url + path, contentType, fields: inBody, isOpen: isOpen(operation) }),
    link: method === 'get' && !needsMore ? path : undefined,
  };
}

function fieldOf({ name, in: place, required = false, description = '', schema }: Parameter): Field {
  return { name, place, type: schema?.type ?? 'string', isRequired: required, description };
}

function isOpen({ security }: Operation): boolean {
  return !security || security.length === 0 || security.some((each) => Object.keys(each).length === 0);
}

/** Names the credentials; the scopes stand in the description. */
function accessOf(operation: Operation): string {
  const names = (operation.security ?? [])
    .flatMap((each) => Object.keys(each))
    .map((name) => CREDENTIALS[name] ?? name);
  const unique = [...new Set(names)];
  if (unique.length === 0) return 'No credential.';
  const list = unique.length === 1 ? unique[0] : `${unique.slice(0, -1).join(', ')} or ${unique.at(-1)}`;
  return `${isOpen(operation) ? 'Optional: ' : 'With '}${list}.`;
}
