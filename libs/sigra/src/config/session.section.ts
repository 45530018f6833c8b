import { callback, heldScopes, list } from './option-kinds.js';
import { optional, section, type SpecsOf } from './option-section.js';
import type { SessionOptions } from './sigra-options.js';

export const sessionSection = optional(
  section(
    {
      userId: callback<SessionOptions['userId']>({
        accepts: '`(request) => id`, or a promise of the id',
        expected: 'a function',
        example: '(request) => request.session?.userId',
      }),
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
