import { AssertionError } from 'node:assert';
import { SigraError, type SigraErrorCode } from 'nestjs-sigra';

/** The code of the `SigraError` that a call rejects with. Any other outcome fails the test. */
export async function refusalOf(call: Promise<unknown>): Promise<SigraErrorCode> {
  return (await reasonOf(call)).code;
}

/** Code and message of the `SigraError` that a call rejects with. Any other outcome fails the test. */
export async function reasonOf(call: Promise<unknown>): Promise<{ code: SigraErrorCode; message: string }> {
  const outcome = await rejectionOf(call);
  if (outcome instanceof SigraError) return { code: outcome.code, message: outcome.message };
  throw new Error('Expected a SigraError', { cause: outcome });
}

/** The error that an assertion of the testing kit fails with. Any other outcome fails the test. */
export async function failureOf(assertion: Promise<unknown>): Promise<AssertionError> {
  const outcome = await rejectionOf(assertion);
  if (outcome instanceof AssertionError) return outcome;
  throw new Error('Expected an AssertionError', { cause: outcome });
}

function rejectionOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'it resolved',
    (error: unknown) => error,
  );
}
