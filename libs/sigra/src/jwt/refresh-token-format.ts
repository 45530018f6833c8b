import { isWellFormed, mintRawToken } from '../common/token-format.js';

const PREFIX = 'sigra_rt_';

/** A new raw refresh token: like an API token, under a prefix of its own. */
export function mintRefreshToken(): string {
  return mintRawToken(PREFIX);
}

/** Whether a text can be a refresh token at all. */
export function isRefreshToken(text: unknown): text is string {
  return typeof text === 'string' && isWellFormed(text, PREFIX);
}
