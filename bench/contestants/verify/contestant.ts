/** One way to verify tokens in process. */
export interface VerifyContestant {
  /** Rejects unless the credential is valid. */
  verify(rawToken: string): Promise<unknown>;
  close(): Promise<void>;
}

/**
 * @param databaseUrl the database with the contestant's tokens
 * @param standbyUrls the standbys of its server
 */
export type VerifyFactory = (databaseUrl: string, standbyUrls: readonly string[]) => Promise<VerifyContestant>;
