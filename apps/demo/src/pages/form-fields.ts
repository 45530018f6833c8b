/** A form as the body parsers of both adapters deliver it: a field that was sent twice is a list. */
export type FormBody = Readonly<Record<string, unknown>> | undefined;

/** A field's text; empty when it is absent, or not what a browser sends. */
export function textOf(form: FormBody, field: string): string {
  const value = form?.[field];
  return typeof value === 'string' ? value : '';
}

/** The values of checkboxes that share a name. */
export function textsOf(form: FormBody, field: string): string[] {
  const value = form?.[field];
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((each) => typeof each === 'string');
}
