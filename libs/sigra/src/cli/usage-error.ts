/** Arguments or a set-up that a command cannot work with. Nothing has been done. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
