/** The result of a page handler. `PageInterceptor` turns it into HTTP. */
export type Page = View | Redirection;

/** A template and its data. */
export interface View {
  readonly kind: 'view';
  readonly template: string;
  readonly title: string;
  readonly data: object;
  readonly status: number;
}

/** A redirection with 303 See Other: the answer to every form that does not show a secret. */
export interface Redirection {
  readonly kind: 'redirection';
  readonly to: string;
}

export function view(template: string, title: string, data: object = {}, status = 200): View {
  return { kind: 'view', template, title, data, status };
}

export function seeOther(to: string): Redirection {
  return { kind: 'redirection', to };
}
