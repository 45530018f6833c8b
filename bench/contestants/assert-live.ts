interface Dated {
  readonly revokedAt: Date | null;
  readonly expiresAt: Date | null;
}

/** The check that every contestant by hand makes of the row that it has read. */
export function assertLive<Token extends Dated>(token: Token | null | undefined): Token {
  if (!token || token.revokedAt !== null || (token.expiresAt !== null && token.expiresAt <= new Date())) {
    throw new Error('the token is not good');
  }
  return token;
}
