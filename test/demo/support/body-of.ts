/** The JSON of an answer, in the form that the test expects of it. */
export async function bodyOf<T>(answer: Promise<Response>): Promise<T> {
  return (await (await answer).json()) as T;
}
