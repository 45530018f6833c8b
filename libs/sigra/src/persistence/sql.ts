/** An SQL expression in place of a value. */
export class Sql {
  constructor(readonly text: string) {}
}

/** The parameters of a statement, numbered in the order in which they are added. */
export class Parameters {
  readonly values: unknown[] = [];

  /** Adds a value. @returns its placeholder, such as `$1` */
  add(value: unknown): string {
    return `$${this.values.push(value)}`;
  }
}
