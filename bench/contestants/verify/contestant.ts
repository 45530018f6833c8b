/** One way to tell a good token from others, in process. */
export interface VerifyContestant {
  /** Rejects unless the credential is good. */
  verify(rawToken: string): Promise<unknown>;
  close(): Promise<void>;
}

/** @param databaseUrl where the contestant's tokens are */
export type VerifyFactory = (databaseUrl: string) => Promise<VerifyContestant>;
