import { AssertionError } from 'node:assert';

/** What an assertion of the kit failed with; an error of any other kind, or none, is the test's own failure. */
export async function failureOf(assertion: Promise<unknown>): Promise<AssertionError> {
  const outcome = await assertion.then(
    () => new Error('The assertion passed.'),
    (error: unknown) => error,
  );
  if (!(outcome instanceof AssertionError)) throw outcome;
  return outcome;
}
