import { pageOf } from './pages.js';

/** The sections of errors.md that describe a code, with the text below the heading. */
export function errorSections() {
  return pageOf('errors')
    .text.split(/^(?=##+ )/m)
    .flatMap((section) => {
      const [, code, text] = /^### (\w+)\n([^]*)$/.exec(section) ?? [];
      return code ? [{ code, text: text.trim() }] : [];
    });
}
