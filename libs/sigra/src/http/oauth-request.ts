import { OAuthError } from './oauth-error.js';

/** The parameters of an OAuth request, each at most once; unknown ones are ignored (RFC 6749 section 3.2). */
export type OAuthParameters = Readonly<Record<string, string | undefined>>;

/**
 * Reads a form, or the same parameters as JSON. Parameters without a value count as absent.
 *
 * @throws OAuthError `invalid_request` for a repeated parameter, or a value that is not a string
 */
export function parseOAuthParameters(body: unknown): OAuthParameters {
  if (body === undefined || body === null) return {};
  if (typeof body !== 'object' || Array.isArray(body)) {
    throw new OAuthError(400, 'invalid_request', 'The body must be a form.');
  }
  const parameters = Object.create(null) as Record<string, string | undefined>;
  for (const [name, value] of Object.entries(body)) {
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
