import { sequenceDiagram } from './sequence-diagram.js';

/** Links to files at the root of the repository, which the site has as pages. */
export function linksToRoot(markdown) {
  markdown.core.ruler.push('links_to_root', ({ tokens }) => {
    for (const link of tokens.flatMap(({ children }) => children ?? []).filter(({ type }) => type === 'link_open')) {
      const href = link.attrGet('href');
      link.attrSet('href', href.replace(/^\.\.\/CHANGELOG\.md/, './changelog.md').replace(/^docs\//, './'));
    }
  });
}

/** GitHub draws Mermaid. The site draws its sequence diagrams; others would be source that readers have to decode. */
export function mermaidDiagrams(markdown) {
  const { fence } = markdown.renderer.rules;
  markdown.renderer.rules.fence = (tokens, index, ...rest) => {
    const token = tokens[index];
    if (token.info.trim() !== 'mermaid') return fence(tokens, index, ...rest);
    const diagram = sequenceDiagram(token.content);
    if (diagram === undefined) throw new Error(`The site draws only sequence diagrams, and not: ${token.content}`);
    return diagram;
  };
}

/** Lets names in the first column of a table break after a dot, a bracket or an underscore, so that the other columns have room. */
export function breakableNames(markdown) {
  const { code_inline: inline } = markdown.renderer.rules;
  markdown.renderer.rules.code_inline = (tokens, index, options, env, self) => {
    const html = inline(tokens, index, options, env, self);
    return html.replace(/>([^<]+)</, (text) => text.replaceAll(/([._(\]])(?=[\w[(])/g, '$1<wbr>'));
  };
}

/**
 * Gives rows of tables that begin with a name in code an anchor of this name, such as `errors#token_revoked`. A second row
 * of the same name, and one with the name of a heading, has none.
 */
export function rowAnchors(markdown) {
  markdown.core.ruler.push('row_anchors', ({ tokens }) => {
    const taken = new Set(tokens.map((token) => token.attrGet('id')));
    tokens.forEach((row, index) => {
      if (row.type !== 'tr_open' || tokens[index + 1]?.type !== 'td_open') return;
      const [first] = tokens[index + 2]?.children ?? [];
      if (first?.type !== 'code_inline' || !/^[\w.]+$/.test(first.content) || taken.has(first.content)) return;
      taken.add(first.content);
      row.attrSet('id', first.content);
    });
  });
}
