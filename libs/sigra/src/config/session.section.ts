import { list, heldScopes } from './option-kinds.js';
import { optional, section, type SpecsOf } from './option-section.js';
import { option } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { SessionOptions } from './sigra-options.js';

export const sessionSection = optional(
  section(
    {
      userId: option({ accepts: '`(request) => id`, or a promise of the id', check: checkUserId }),
      scopes: heldScopes({ default: ['*'] }),
      trustedOrigins: list({
        accepts: 'array of origins, without paths',
        matches: (origin) => URL.canParse(origin) && new URL(origin).origin === origin,
        hint: 'an origin looks like "https://app.example.com", without a path',
        default: [],
      }),
    } satisfies SpecsOf<SessionOptions>,
    ({ trustedOrigins, ...rest }) => {
      const origins: ReadonlySet<string> = new Set(trustedOrigins);
      return { ...rest, trustedOrigins: origins };
    },
  ),
);

function checkUserId(path: string, value: unknown): SessionOptions['userId'] {
  if (typeof value === 'function') return value as SessionOptions['userId'];
  throw new SigraConfigError(path, 'must be a function, for example (request) => request.session?.userId');
}
