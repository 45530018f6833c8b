interface Dated {
  readonly revokedAt: Date | null;
  readonly expiresAt: Date | null;
}

/** The check that every contestant by hand makes of the row that it has read. */
export function isLive<Token extends Dated>(token: Token | null | undefined): token is Token {
  return token?.revokedAt === null && (token.expiresAt === null || token.expiresAt > new Date());
}
