/** One way to rotate refresh tokens, in process. */
export interface RefreshContestant {
  /** Signs a user in. @returns the first refresh token */
  signIn(userId: string): Promise<string>;
  /** @returns the successor */
  refresh(refreshToken: string): Promise<string>;
  /** Number of tokens that are not consumed; must be one for each sign-in. */
  countLive(): Promise<number>;
  close(): Promise<void>;
}

export type RefreshFactory = (databaseUrl: string) => Promise<RefreshContestant>;
