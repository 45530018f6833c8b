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

/** GitHub draws Mermaid. The site draws its sequence diagrams, and shows the text of others, which reads as a list of steps. */
export function mermaidDiagrams(markdown) {
  const { fence } = markdown.renderer.rules;
  markdown.renderer.rules.fence = (tokens, index, ...rest) => {
    const token = tokens[index];
    if (token.info.trim() !== 'mermaid') return fence(tokens, index, ...rest);
    const diagram = sequenceDiagram(token.content);
    if (diagram !== undefined) return diagram;
    token.content = token.content.replaceAll(/^ {2}/gm, '');
    return fence(tokens, index, ...rest);
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
