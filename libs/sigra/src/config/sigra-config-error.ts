/** A host's configuration that cannot work. Thrown while the application boots; names the option and the remedy. */
export class SigraConfigError extends Error {
  override readonly name = 'SigraConfigError';

  constructor(
    /** The option, as a path such as `apiTokens.prefix`. */
    readonly option: string,
    problem: string,
  ) {
    super(`sigra: ${option} ${problem}`);
  }
}
