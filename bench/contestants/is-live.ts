interface Dated {
  readonly revokedAt: Date | null;
  readonly expiresAt: Date | null;
}

/** The check of a row that every hand-written contestant makes. */
export function isLive<Token extends Dated>(token: Token | null | undefined): token is Token {
  return token?.revokedAt === null && (token.expiresAt === null || token.expiresAt > new Date());
}
