import { SigraError, type SigraErrorCode } from 'nestjs-sigra';

/** Code and message of the `SigraError` that a call rejects with; anything else that it does fails the test. */
export async function reasonOf(call: Promise<unknown>): Promise<{ code: SigraErrorCode; message: string }> {
  const outcome: unknown = await call.then(
    () => 'it resolved',
    (error: unknown) => error,
  );
  if (outcome instanceof SigraError) return { code: outcome.code, message: outcome.message };
  throw new Error('Expected a SigraError', { cause: outcome });
}
