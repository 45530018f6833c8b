/** A reason not to start that the person at the keyboard can do something about. Its message is shown without a stack. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
