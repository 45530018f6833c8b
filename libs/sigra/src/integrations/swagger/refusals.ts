import type { HttpRefusalBody } from '../../auth/http-refusal.js';
import { ERROR_CODES, type SigraErrorCode } from '../../common/sigra-error.js';
import type { RouteGuards } from './route-security.js';
import { integer, list, named, object, optional, type Schema, text } from './schema.js';

/** An answer before its schema is written into a document. */
export interface Answer {
  readonly description: string;
  readonly headers: readonly (keyof typeof HEADERS)[];
  readonly schema: Schema<never>;
}

const scopes = list(text(), { example: ['read:projects'] });

/** The body of every refusal. */
export const refusalBody = named(
  'SigraRefusal',
  object<HttpRefusalBody>({
    statusCode: integer({ example: 403 }),
    error: text({ description: 'A stable code.', example: 'insufficient_scope' }),
    message: text({ example: 'The credential lacks a scope that this request needs.' }),
    required: optional(
      list(text(), { ...scopes.json, description: 'With `insufficient_scope`: the required scopes.' }),
    ),
    missing: optional(list(text(), { ...scopes.json, description: 'With `insufficient_scope`: the missing ones.' })),
  }),
);

/** The headers of refusals. */
export const HEADERS = {
  'WWW-Authenticate': text({ description: 'The challenge of RFC 6750 section 3.' }),
  'Retry-After': text({ description: 'Seconds until the request can be sent again.' }),
} as const;

/** What guards and services refuse by a code. */
type Code = SigraErrorCode | 'too_many_requests';

const STATUS_OF_CODES: Readonly<Record<Code, { readonly status: number; readonly challenge?: string }>> = {
  ...ERROR_CODES,
  too_many_requests: { status: 429 },
};

/** Codes of refusals by services that a controller answers with another status than theirs. */
export type Exceptions = Readonly<Partial<Record<number, readonly SigraErrorCode[]>>>;

/** The codes that the guards of a route refuse requests with. */
export function codesOfGuards(guards: RouteGuards, method: string): readonly Code[] {
  const limits: Code[] = guards.throttle === 'sigra' ? ['too_many_requests'] : [];
  if (!guards.authenticate) return limits;
  const { rules, acceptsSession, acceptsBearer } = guards;
  const codes: Code[] = ['invalid_request', 'unavailable', ...limits];
  if (rules.access === 'required') codes.push('unauthorized');
  if (acceptsBearer) codes.push('invalid_token');
  if (rules.scopes.length > 0) codes.push('insufficient_scope', 'resource_not_allowed');
  if (rules.kinds.length > 0) codes.push('kind_not_allowed');
  if (guards.refusesOwners) codes.push('owner_not_allowed');
  // A session is accepted from the same origin only.
  if (acceptsSession && !['get', 'head', 'options'].includes(method)) codes.push('cross_origin');
  return codes;
}

/** The answers of refusals by their status, which follows from the code. */
export function refusalsOf(codes: readonly Code[], exceptions: Exceptions = {}): Readonly<Record<string, Answer>> {
  const byStatus = new Map<string, Set<Code>>();
  const add = (status: number, code: Code) => {
    byStatus.set(String(status), (byStatus.get(String(status)) ?? new Set()).add(code));
  };
  for (const code of codes) add(STATUS_OF_CODES[code].status, code);
  for (const [status, others] of Object.entries(exceptions)) for (const code of others ?? []) add(Number(status), code);
  return Object.fromEntries([...byStatus].map(([status, all]) => [status, answerOf(Number(status), [...all])]));
}

function answerOf(status: number, codes: readonly Code[]): Answer {
  const isChallenged = codes.some((code) => STATUS_OF_CODES[code].challenge !== undefined);
  return {
    description: `${codes.map((code) => `\`${code}\``).join(', ')}.`,
    headers: [
      ...(isChallenged ? (['WWW-Authenticate'] as const) : []),
      ...(isWait(status) ? (['Retry-After'] as const) : []),
    ],
    schema: refusalBody,
  };
}

function isWait(status: number): boolean {
  return status === 429 || status === 503;
}
