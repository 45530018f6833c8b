import { MAX_SCOPES_LENGTH, SCOPE_RULE } from '../common/scope-grammar.js';
import { OAuthError } from './oauth-error.js';
import { MAX_FIELDS } from './request-body.js';

/** The parameters of an OAuth request, each at most once; unknown ones are ignored (RFC 6749 section 3.2). */
export type OAuthParameters = Readonly<Record<string, string | undefined>>;

/**
 * Reads a form, or the same parameters as JSON. Parameters without a value count as absent.
 *
 * @throws OAuthError `invalid_request` for a repeated parameter, a value that is not a string, or more than 100 parameters
 */
export function parseOAuthParameters(body: unknown): OAuthParameters {
  if (body === undefined || body === null) return {};
  if (typeof body !== 'object' || Array.isArray(body)) {
    throw new OAuthError(400, 'invalid_request', 'The body must be a form.');
  }
  const parameters = Object.create(null) as Record<string, string | undefined>;
  const names = Object.keys(body);
  if (names.length > MAX_FIELDS) {
    throw new OAuthError(400, 'invalid_request', `The body has more than ${MAX_FIELDS} parameters.`);
  }
  for (const name of names) {
    const value = (body as Readonly<Record<string, unknown>>)[name];
    if (typeof value !== 'string') {
      throw new OAuthError(400, 'invalid_request', 'A parameter is repeated or is not a string.');
    }
    parameters[name] = value === '' ? undefined : value;
  }
  return parameters;
}

/** @throws OAuthError `invalid_request` when it is missing */
export function requireParameter(parameters: OAuthParameters, name: string): string {
  const value = parameters[name];
  if (value === undefined) throw new OAuthError(400, 'invalid_request', `The parameter ${name} is missing.`);
  return value;
}

/**
 * Checks the parameter `resource` (RFC 8707 section 2), by which a client names the API that it wants a token for.
 *
 * @param apis the identifiers of the API that every token is for
 * @throws OAuthError `invalid_target` for any other one
 */
export function assertResource(resource: string | undefined, apis: readonly (string | undefined)[]): void {
  if (resource === undefined || apis.some((api) => api !== undefined && isSameIdentifier(resource, api))) return;
  throw new OAuthError(400, 'invalid_target', 'Tokens of this server are not for this resource.');
}

/** Clients write a URL as its parser does: an origin then ends with a slash. */
function isSameIdentifier(one: string, other: string): boolean {
  return one === other || (URL.canParse(one) && URL.canParse(other) && new URL(one).href === new URL(other).href);
}

/**
 * Splits the parameter `scope` (RFC 6749 section 3.3). The service checks each scope.
 *
 * @throws OAuthError `invalid_scope` for a text that is too long to be a list of scopes
 */
export function parseScope(scope: string | undefined): readonly string[] | undefined {
  if (scope !== undefined && scope.length > MAX_SCOPES_LENGTH) throw new OAuthError(400, 'invalid_scope', SCOPE_RULE);
  return scope?.split(' ');
}
