/** A form, as the body parsers of both adapters parse it: a repeated field is an array. */
export type FormBody = Readonly<Record<string, unknown>> | undefined;

/** The text of a field; empty if it is missing or not a string. */
export function textOf(form: FormBody, field: string): string {
  const value = form?.[field];
  return typeof value === 'string' ? value : '';
}
