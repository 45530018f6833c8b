import { callback } from './option-kinds.js';
import { describeValue, none, option, rejectOption } from './option-spec.js';
import { section, type SpecsOf } from './option-section.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { CredentialOptions } from './sigra-options.js';

/** The header of RFC 6750 section 2.1. */
export const AUTHORIZATION = 'authorization';
const MAX_HEADERS = 8;

export const credentialsSection = section({
  headers: option({
    accepts: 'array of at most 8 names of headers, `authorization` included',
    default: [AUTHORIZATION],
    check: checkHeaders,
  }),
  resolve: callback<CredentialOptions['resolve']>({
    accepts: '`(request) => credential`, or a promise of it',
    expected: 'a function of the request, which returns { userId, scopes } or undefined',
    default: none,
  }),
} satisfies SpecsOf<CredentialOptions>);

/** The headers that hold a bare API token. */
export function keyHeadersOf({ headers }: { readonly headers: readonly string[] }): readonly string[] {
  return headers.filter((name) => name !== AUTHORIZATION);
}

/**
 * Headers with a meaning of their own: proxies and browsers change or remove them, or send them without being asked, and
 * this library reads some of them.
 */
const TAKEN = new RegExp(
  `^(${[
    // Of a connection (RFC 9110 section 7.6.1), which proxies remove.
    'connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|via|max-forwards',
    // Of a message.
    'host|content-.*|date|expect|range|if-.*|accept|accept-.*|cache-control|pragma|age|vary|etag|last-modified|warning|allow|location',
    'user-agent|referer|from|server|link|priority|early-data|retry-after|www-authenticate|authentication-info',
    // Browsers send them.
    'cookie2?|set-cookie2?|origin|dnt|sec-.*|access-control-.*|upgrade-insecure-requests|x-requested-with',
    // Proxies set them.
    'forwarded|x-forwarded-.*|x-real-ip|x-request-id|x-correlation-id|traceparent|tracestate|baggage',
    // Other parts of a request to Sigra.
    'idempotency-key|dpop|constructor',
  ].join('|')})$`,
);

function checkHeaders(path: string, value: unknown): readonly string[] {
  if (!Array.isArray(value) || !value.every((name) => typeof name === 'string')) {
    return rejectOption(path, 'an array of names of headers', value, '; for example ["authorization", "x-api-key"]');
  }
  const names = [...new Set(value.map((name: string) => name.toLowerCase()))];
  // Proxies drop or rename headers with an underscore.
  const malformed = names.find((name) => !/^[a-z](?:[a-z0-9-]{0,62}[a-z0-9])?$/.test(name));
  if (malformed !== undefined) {
    throw new SigraConfigError(
      path,
      `has ${describeValue(malformed)}; a name has letters, digits and hyphens, for example "x-api-key"`,
    );
  }
  const taken = names.find((name) => TAKEN.test(name));
  if (taken !== undefined) {
    throw new SigraConfigError(
      path,
      `has "${taken}", which has another meaning; choose another name, for example "x-api-key"`,
    );
  }
  if (!names.includes(AUTHORIZATION)) {
    throw new SigraConfigError(
      path,
      'must include "authorization": JWTs, OAuth clients and the answers with 401 need it; add it to the list',
    );
  }
  if (names.length > MAX_HEADERS) throw new SigraConfigError(path, `has too many names; use at most ${MAX_HEADERS}`);
  return Object.freeze(names);
}
