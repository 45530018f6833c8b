import { Ajv } from 'ajv';
import formats from 'ajv-formats';

export interface OpenApiOperation {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, object>> }>>;
  readonly security?: readonly object[];
}

export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>>; readonly securitySchemes: object };
}

/** An answer to a client; `path` is that of the document. */
export interface ClientAnswer {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly body?: unknown;
}

/** Compares answers with an OpenAPI 3.0 document. */
export class AnswerCheck {
  private readonly ajv = new Ajv({ strict: false, allErrors: true });

  constructor(private readonly document: OpenApiDocument) {
    formats.default(this.ajv);
    this.ajv.addSchema(closed(document) as object, 'document');
  }

  get operations(): { readonly method: string; readonly path: string }[] {
    return Object.entries(this.document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
    );
  }

  /** What of an answer is not as documented. */
  problemsOf({ method, path, status, body }: ClientAnswer): string[] {
    const place = `${method} ${path} ${status}`;
    const answer = this.document.paths[path]?.[method.toLowerCase()]?.responses[status];
    if (!answer) return [`${place} is not documented: ${JSON.stringify(body)}`];
    const type = Object.keys(answer.content ?? {})[0];
    if (type === undefined) return body === undefined || status === 200 ? [] : [`${place} has a body`];
    const pointer = ['paths', path, method.toLowerCase(), 'responses', String(status), 'content', type, 'schema'];
    const $ref = `document#/${pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;
    const validate = this.ajv.compile({ $ref });
    return validate(body) ? [] : [`${place}: ${this.ajv.errorsText(validate.errors)}`];
  }
}

/** Also refuses members that the document does not have. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([name, part]) => [name, closed(part)]));
  const isSchema = copy.type === 'object' && 'properties' in copy && !('additionalProperties' in copy);
  return isSchema ? { ...copy, additionalProperties: false } : copy;
}
