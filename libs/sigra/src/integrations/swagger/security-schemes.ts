import { keyHeadersOf } from '../../config/credentials.section.js';
import type { SigraConfig } from '../../config/sigra-config.js';
import type { ScopeDetails } from '../../scopes/scope-registry.js';

/** What the schemes of a document are made of. */
export interface SchemeSources {
  readonly config: SigraConfig;
  readonly catalogue: readonly ScopeDetails[];
  /** The path of the token endpoint; undefined if it is not mounted. */
  readonly tokenPath: string | undefined;
  readonly sessionCookie: string;
}

/** The names of the schemes by what they present. */
export interface SchemeNames {
  readonly apiTokens: readonly string[];
  readonly accessTokens: readonly string[];
  readonly sessions: readonly string[];
  /** Flows of OAuth 2. Only these can have scopes in OpenAPI 3.0. */
  readonly flows: readonly string[];
  /** A client that authenticates itself at an OAuth endpoint. */
  readonly clients: readonly string[];
}

/** The security schemes of an application, by what it accepts. */
export function securitySchemes(sources: SchemeSources): {
  readonly names: SchemeNames;
  readonly schemes: Readonly<Record<string, object>>;
} {
  const groups = groupsOf(sources);
  const names = Object.fromEntries(Object.entries(groups).map(([group, schemes]) => [group, Object.keys(schemes)]));
  return {
    names: names as unknown as SchemeNames,
    schemes: Object.assign({}, ...Object.values(groups)) as Readonly<Record<string, object>>,
  };
}

function groupsOf({
  config,
  catalogue,
  tokenPath,
  sessionCookie,
}: SchemeSources): Record<keyof SchemeNames, Readonly<Record<string, object>>> {
  const { apiTokens, jwt, dpop, trustedIssuers, session, credentials } = config;
  const prefixes = apiTokens.kinds.all.map(({ prefix }) => `\`${prefix}…\``).join(', ');
  const keys = keyHeadersOf(credentials).map((name) => [`apiToken_${name}`, { type: 'apiKey', in: 'header', name }]);
  // A token that is bound to a key has a scheme of its own (RFC 9449 section 7.1).
  const scheme = dpop?.required === true && !trustedIssuers ? 'DPoP' : 'bearer';
  return {
    apiTokens: {
      apiToken: {
        type: 'http',
        scheme: 'bearer',
        description: `An API token: ${prefixes}.${tokenPath === undefined ? listOf(catalogue) : ''}`,
      },
      ...(Object.fromEntries(keys) as Readonly<Record<string, object>>),
    },
    accessTokens: {
      ...((jwt ?? trustedIssuers) && {
        jwt: { type: 'http', scheme, bearerFormat: 'JWT', description: 'A JWT access token (RFC 9068).' },
      }),
    },
    sessions: {
      ...(session && {
        session: { type: 'apiKey', in: 'cookie', name: sessionCookie, description: 'The session of a browser.' },
      }),
    },
    flows: {
      ...(tokenPath !== undefined && {
        oauth2: {
          type: 'oauth2',
          description:
            'The id of an API token is the `client_id`, its raw form the `client_secret` (RFC 6749 section 4.4).',
          flows: {
            clientCredentials: { tokenUrl: tokenPath, refreshUrl: tokenPath, scopes: describedScopes(catalogue) },
          },
        },
      }),
    },
    clients: {
      ...(tokenPath !== undefined && {
        client: { type: 'http', scheme: 'basic', description: 'The id of an API token, and its raw form.' },
      }),
    },
  };
}

/** The scopes in Markdown, where no flow has them: in OpenAPI 3.0, another scheme cannot. */
function listOf(catalogue: readonly ScopeDetails[]): string {
  const lines = Object.entries(describedScopes(catalogue)).map(([name, text]) => `- \`${name}\` ${text}`);
  return lines.length > 0 ? `\n\nIts scopes:\n\n${lines.join('\n')}` : '';
}

function describedScopes(catalogue: readonly ScopeDetails[]): Record<string, string> {
  return Object.fromEntries(
    catalogue.map(({ name, title, description, group, implies, danger }) => {
      const texts = [title, description].filter((each) => each !== null);
      const remarks = [
        ...(danger ? ['dangerous'] : []),
        ...(group === null ? [] : [`group ${group}`]),
        ...(implies.length > 0 ? [`includes ${implies.join(', ')}`] : []),
      ];
      return [
        name,
        `${texts.length > 0 ? texts.join(': ') : name}${remarks.length > 0 ? ` (${remarks.join('; ')})` : ''}`,
      ];
    }),
  );
}
