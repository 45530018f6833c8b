import { callback } from './option-kinds.js';
import { optional, section, type SpecsOf } from './option-section.js';
import { none } from './option-spec.js';
import type { AdminOptions } from './sigra-options.js';

export const adminSection = optional(
  section({
    canAdminister: callback<AdminOptions['canAdminister']>({
      accepts: '`(principal) => boolean`, or a promise of it',
      expected: 'a function of the principal',
      example: '({ user }) => user.isAdmin',
    }),
    requireStepUp: callback<AdminOptions['requireStepUp']>({
      accepts: '`(principal, request) => boolean`, or a promise of it',
      expected: 'a function of the principal and the request',
      default: none,
    }),
  } satisfies SpecsOf<AdminOptions>),
);
