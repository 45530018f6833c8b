/** What a page handler answers with; `PageInterceptor` turns it into HTTP. */
export type Page = View | Redirection;

/** A template and what it shows. */
export interface View {
  readonly kind: 'view';
  readonly template: string;
  readonly title: string;
  readonly data: object;
  readonly status: number;
}

/** "See the answer over there", by GET: the end of every form that has nothing secret to show. */
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
