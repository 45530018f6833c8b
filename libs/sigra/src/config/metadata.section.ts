import { list, registeredScopes } from './option-kinds.js';
import { section, type SpecsOf } from './option-section.js';
import { none, option } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { MetadataOptions } from './sigra-options.js';

const HINT = 'a URL looks like "https://myapp.example", without a query';

export const metadataSection = section({
  baseUrl: url(),
  resource: url(),
  authorizationServers: list({
    accepts: 'array of `http` or `https` URLs without a query',
    matches: (value) => isPlainUrl(value),
    hint: HINT,
    default: [],
  }),
  scopes: registeredScopes({ default: [] }),
} satisfies SpecsOf<MetadataOptions>);

/** The metadata options of the host after validation. */
export type ResolvedMetadata = ReturnType<typeof metadataSection.resolve>;

function url() {
  return option({
    accepts: '`http` or `https` URL without a query',
    default: none,
    check: (path, value) => {
      if (isPlainUrl(value)) return value;
      throw new SigraConfigError(path, `must be an http or https URL; ${HINT}`);
    },
  });
}

/**
 * The URL of the root of the application as clients see it, without a slash at the end: `metadata.baseUrl`, or the origin of the
 * issuer.
 *
 * @returns undefined when it is not given and the issuer is not a URL
 */
export function baseUrlOf({ baseUrl }: ResolvedMetadata, issuer: string): string | undefined {
  const url = baseUrl ?? (isPlainUrl(issuer) ? new URL(issuer).origin : undefined);
  return url?.replace(/\/+$/, '');
}

/** Whether a value is a URL of HTTP without credentials, query and fragment. It can stand in a header. */
export function isPlainUrl(value: unknown): value is string {
  if (typeof value !== 'string' || !/^https?:\/\/[^\s"\\?#@]+$/.test(value) || !/^[!-~]+$/.test(value)) return false;
  return URL.canParse(value);
}

/**
 * The URL of a well-known document about an identifier: its path is inserted between host and path (RFC 8414 section 3.1, RFC
 * 9728 section 3.1).
 *
 * @param name the name of the document, such as `oauth-authorization-server`
 */
export function wellKnownUrl(identifier: string, name: string): URL {
  const url = new URL(identifier);
  url.pathname = `/.well-known/${name}${url.pathname.replace(/\/$/, '')}`;
  return url;
}

/** The name of the document that describes a protected resource (RFC 9728 section 3). */
export const RESOURCE_DOCUMENT = 'oauth-protected-resource';
/** The name of the document that describes an authorization server (RFC 8414 section 3). */
export const SERVER_DOCUMENT = 'oauth-authorization-server';
