import { ERROR_CODES, type SigraErrorCode } from '../../common/sigra-error.js';
import { type Answer, codesOfGuards, HEADERS, refusalsOf } from './refusals.js';
import type { Parameter } from './operation.js';
import type { ReadyMadeOperation } from './ready-made.operations.js';
import type { RouteGuards, Security } from './route-security.js';
import { named, object, type Schema, type SchemaWriter, text } from './schema.js';
import type { SchemeNames } from './security-schemes.js';

/** The members of an operation of a document that are read or written. */
export interface DocumentedOperation {
  tags?: string[];
  summary?: string;
  description?: string;
  parameters?: { name?: string; in?: string }[];
  requestBody?: object;
  responses: Record<string, DocumentedAnswer | undefined>;
  security?: Security;
  'x-required-scopes'?: readonly (readonly string[])[];
}

interface DocumentedAnswer {
  description?: string;
  headers?: object;
  content?: Record<string, { schema?: object }>;
}

/** The codes of bodies that are refused before they are parsed. */
const BODY_CODES: readonly SigraErrorCode[] = ['body_too_large', 'unsupported_encoding'];

const JSON_TYPE = 'application/json';

const oauthError = named(
  'OAuthError',
  object<{ error: string; error_description: string }>({
    error: text({ example: 'invalid_grant' }),
    error_description: text(),
  }),
);

/** Writes what is known about routes into the operations of a document. */
export class OperationWriter {
  constructor(
    private readonly schemas: SchemaWriter,
    private readonly schemes: SchemeNames,
  ) {}

  /** Describes a ready-made route. */
  describe(operation: DocumentedOperation, described: ReadyMadeOperation): void {
    const { tag, summary, description, parameters = [], body, status, answer, type = JSON_TYPE } = described;
    const returns = described.returns as Schema<never> | undefined;
    // Those of prefixes are not known here.
    const isOther = (given: { name?: string; in?: string }) =>
      given.in === 'path' && !parameters.some(({ name, in: place }) => place === 'path' && name === given.name);
    operation.tags = [tag];
    operation.summary = summary;
    if (description !== undefined) operation.description = description;
    operation.parameters = [
      ...(operation.parameters ?? []).filter(isOther),
      ...parameters.map((parameter) => this.parameter(parameter)),
    ];
    delete operation.requestBody;
    if (body) operation.requestBody = { required: body.required, ...this.content(body.schema, body.type) };
    operation.responses = { [status]: { description: answer, ...(returns && this.content(returns, type)) } };
  }

  /** Describes what the guards of a route demand, and how they and the ready-made route refuse. */
  guard(operation: DocumentedOperation, guards: RouteGuards, method: string, described?: ReadyMadeOperation): void {
    const { accepts, oauthErrors, refusals = [], exceptions } = described ?? {};
    const isOpen = guards.rules.access === 'anonymous';
    if (accepts) operation.security = accepts.flatMap((group) => this.alternatives(group));
    else if (isOpen || guards.authenticate) operation.security ??= guards.security(this.schemes);
    if (guards.authenticate) this.require(operation, guards);
    const ofBody = described?.body ? BODY_CODES : [];
    const codes = [...codesOfGuards(guards, method), ...refusals, ...ofBody];
    const answers = oauthErrors ? oauthAnswers(oauthErrors, ofBody) : refusalsOf(codes, exceptions);
    for (const [status, answer] of Object.entries(answers)) {
      operation.responses[status] = this.completed(operation.responses[status], answer);
    }
  }

  private require(operation: DocumentedOperation, guards: RouteGuards): void {
    const { sentences, combinations, rules } = guards;
    if (rules.scopes.length > 0 && combinations.length > 0) operation['x-required-scopes'] = combinations;
    if (sentences === '') return;
    operation.description = [sentences, operation.description]
      .filter((each) => each !== undefined && each !== '')
      .join(' ');
  }

  private alternatives(group: 'none' | 'clients' | 'apiTokens' | 'accessTokens'): Security {
    return group === 'none' ? [{}] : this.schemes[group].map((name) => ({ [name]: [] }));
  }

  /** What the application has described itself stays. Where it refuses with the same status, either body can come. */
  private completed(given: DocumentedAnswer | undefined, { description, headers, schema }: Answer): DocumentedAnswer {
    const own = given?.description === undefined || given.description === '' ? description : given.description;
    const known = Object.fromEntries(headers.map((name) => [name, this.header(name)]));
    const { content } = this.content(schema);
    const theirs = given?.content?.[JSON_TYPE]?.schema;
    const either = theirs
      ? { [JSON_TYPE]: { ...given.content?.[JSON_TYPE], schema: { anyOf: [theirs, content[JSON_TYPE]?.schema] } } }
      : content;
    return {
      ...given,
      description: own,
      content: { ...given?.content, ...either },
      ...(headers.length > 0 && { headers: { ...known, ...given?.headers } }),
    };
  }

  private header(name: keyof typeof HEADERS): object {
    const { description, ...schema } = HEADERS[name].json;
    return { description, schema };
  }

  private parameter({ name, in: place, schema, description, required = false }: Parameter) {
    return {
      name,
      in: place,
      required,
      schema: this.schemas.write(schema),
      ...(description !== undefined && { description }),
    };
  }

  private content(schema: Schema<never>, type = JSON_TYPE): { content: Record<string, { schema: object }> } {
    return { content: { [type]: { schema: this.schemas.write(schema) } } };
  }
}

/** @param ofBody the codes of bodies that are refused, which RFC 6749 calls `invalid_request` */
function oauthAnswers(
  errors: Readonly<Record<number, string>>,
  ofBody: readonly SigraErrorCode[],
): Readonly<Record<string, Answer>> {
  const headersOf = (status: string): Answer['headers'] => {
    if (status === '401' || status === '403') return ['WWW-Authenticate'];
    return status === '503' ? ['Retry-After'] : [];
  };
  const all: Readonly<Record<string, string>> = {
    ...errors,
    ...Object.fromEntries(ofBody.map((code) => [String(ERROR_CODES[code].status), 'invalid_request.'])),
  };
  return Object.fromEntries(
    Object.entries(all).map(([status, description]) => [
      status,
      { description, headers: headersOf(status), schema: oauthError },
    ]),
  );
}
