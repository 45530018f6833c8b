/** The size of a run. */
export interface Settings {
  /** A run that only shows that everything works; its figures are meaningless. */
  readonly quick: boolean;
  /** Turns of each contestant; the median counts. */
  readonly rounds: number;
  /**
   * Processes of each contestant, one after the other, where contestants differ by a few percent: two processes of one program differ by
   * up to a tenth.
   */
  readonly closeProcesses: number;
  /** Turns of each of these processes. */
  readonly closeRounds: number;
  /** Rounds of what takes very long: clean-up, lock-outs, users with many tokens. */
  readonly slowRounds: number;
  /** Length of one turn in process, in seconds. */
  readonly turn: number;
  /** Length of one turn over HTTP, in seconds. */
  readonly httpTurn: number;
  /** Length of the warm-up before each turn, which does not count, in seconds. */
  readonly warmUp: number;
  readonly users: number;
  readonly tokens: number;
  /** Families that refresh at once in `refresh`. */
  readonly families: number;
  /** Sizes of the table in `scale`: the smallest, the usual and the largest. */
  readonly scaleTokens: readonly [number, number, number];
  /** Tokens of the user with many tokens. */
  readonly tokensOfOneUser: number;
  readonly expiredTokens: number;
  /** Verifications in `writes`. */
  readonly verifications: number;
  /** Length of the soak, in seconds; its first fifth does not count. */
  readonly soak: number;
}

export const FULL: Settings = {
  quick: false,
  rounds: 7,
  closeProcesses: 7,
  closeRounds: 7,
  slowRounds: 3,
  turn: 1,
  httpTurn: 1,
  warmUp: 0.6,
  users: 10_000,
  tokens: 1_000_000,
  families: 10_000,
  scaleTokens: [10_000, 1_000_000, 10_000_000],
  tokensOfOneUser: 10_000,
  expiredTokens: 1_000_000,
  verifications: 1_000_000,
  soak: 300,
};

export const QUICK: Settings = {
  quick: true,
  rounds: 2,
  closeProcesses: 2,
  closeRounds: 2,
  slowRounds: 2,
  turn: 0.2,
  httpTurn: 1,
  warmUp: 0.2,
  users: 1000,
  tokens: 20_000,
  families: 500,
  scaleTokens: [1000, 10_000, 50_000],
  tokensOfOneUser: 1000,
  expiredTokens: 20_000,
  verifications: 50_000,
  soak: 15,
};
