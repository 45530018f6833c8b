/** An invalid option. It fails the boot of the application, and names the option and the remedy. */
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
