import { SigraError, type SigraErrorCode } from 'nestjs-sigra';

/** The code of the `SigraError` that a call rejects with; anything else that it does fails the test. */
export async function refusalOf(call: Promise<unknown>): Promise<SigraErrorCode> {
  const outcome: unknown = await call.then(
    () => 'it resolved',
    (error: unknown) => error,
  );
  if (outcome instanceof SigraError) return outcome.code;
  throw new Error('Expected a SigraError', { cause: outcome });
}
