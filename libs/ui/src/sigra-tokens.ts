import { SigraTokensElement } from './sigra-tokens-element.js';

export { SigraTokensElement } from './sigra-tokens-element.js';
export { DEFAULT_TEXTS, type Text, type TextName, type Texts } from './texts.js';
export type { RequestHeaders } from './token-client.js';
export type { Token, TokenOwner } from './token.js';

declare global {
  interface HTMLElementTagNameMap {
    'sigra-tokens': SigraTokensElement;
  }
}

// A page can load the module twice, for example from two bundles.
if (!customElements.get('sigra-tokens')) customElements.define('sigra-tokens', SigraTokensElement);
