import type { Specs } from '../libs/sigra/src/config/option-spec.js';

/** The documentation of an option, from its type and doc comment. */
export interface OptionDoc {
  readonly type: string;
  readonly default: string | undefined;
  readonly description: string | undefined;
}

/** The page with new tables between its markers `<!-- options: NAME -->` and `<!-- /options -->`. */
export function configurationPage(page: string, specs: Specs): string;

/** The documentation of every option, by path: `apiTokens.prefix`, `jwt.keys[].kid`. */
export function optionDocs(): ReadonlyMap<string, OptionDoc>;
