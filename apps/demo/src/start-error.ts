/** An error that the person who starts the demo can fix. Its message is printed without a stack. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
