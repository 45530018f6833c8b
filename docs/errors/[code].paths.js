import { errorSections } from '../.vitepress/error-sections.js';

/** A page of the site for each code: its section of errors.md. */
export default {
  watch: ['../errors.md'],
  paths: () =>
    errorSections().map(({ code, text }) => ({
      params: { code },
      content: `# ${code}\n\n${relinked(text)}\n\nSee [all errors](../errors.md).\n`,
    })),
};

/** Links of the page above, from the folder below it. */
function relinked(text) {
  return text.replaceAll('](#', '](../errors.md#').replaceAll(/\]\((?=[\w-]+\.md)/g, '](../');
}
