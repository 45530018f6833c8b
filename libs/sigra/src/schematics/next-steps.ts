import type { Context } from './devkit.js';

/** Prints a text after the dependencies have been installed, so that it is the last that the user sees. */
export function printNextSteps({ text }: { readonly text: string }): (tree: unknown, context: Context) => void {
  return (_tree, { logger }) => {
    logger.info(text);
  };
}
