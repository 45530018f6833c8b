/**
 * How often a race or a fault is repeated: a few times by default, enough for each order of its steps.
 * `SIGRA_ROUNDS=200 npx jest FILE` looks for what only luck shows.
 */
export function rounds(byDefault: number): number {
  return Number(process.env.SIGRA_ROUNDS ?? byDefault);
}
