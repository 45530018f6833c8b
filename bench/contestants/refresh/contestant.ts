/** One way to rotate refresh tokens, in process. */
export interface RefreshContestant {
  /** A new sign-in of a user; its first refresh token. */
  signIn(userId: string): Promise<string>;
  /** @returns the successor */
  refresh(refreshToken: string): Promise<string>;
  /** How many tokens have not been consumed: one for each sign-in, or something is wrong. */
  countLive(): Promise<number>;
  close(): Promise<void>;
}

export type RefreshFactory = (databaseUrl: string) => Promise<RefreshContestant>;
