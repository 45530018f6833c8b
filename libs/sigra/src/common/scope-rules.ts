/** A scope, and the scopes that it grants as well. */
interface Implication {
  readonly name: string;
  readonly implies?: readonly string[];
}

const NO_SCOPES: readonly string[] = [];

/** How scopes of an application grant others, besides wildcards. */
export class ScopeRules {
  /** Wildcards alone. */
  static readonly NONE = new ScopeRules([], false);

  /** The scopes that others imply. */
  readonly implied: readonly string[];
  /** For each scope, those that grant it as well, directly or through others. */
  private readonly grantedBy: ReadonlyMap<string, readonly string[]>;

  private constructor(
    implications: readonly Implication[],
    readonly writeImpliesRead: boolean,
  ) {
    this.implied = [...new Set(implications.flatMap(({ implies = [] }) => implies))];
    const impliersOf = (scope: string) => [
      ...implications.filter(({ implies }) => implies?.includes(scope)).map(({ name }) => name),
      ...this.writersOf(scope),
    ];
    this.grantedBy = new Map(this.implied.map((scope) => [scope, reachable(scope, impliersOf)]));
  }

  /** The rules of an application. `NONE` if there are none, so that rules can be compared by identity. */
  static of(implications: readonly Implication[], writeImpliesRead: boolean): ScopeRules {
    const rules = new ScopeRules(implications, writeImpliesRead);
    return rules.implied.length === 0 && !writeImpliesRead ? ScopeRules.NONE : rules;
  }

  /** Whether one of the granted scopes grants a scope. */
  grants(granted: readonly string[], scope: string): boolean {
    for (const grant of granted) {
      if (covers(grant, scope)) return true;
    }
    return this.impliersOf(scope).some((implier) => granted.some((grant) => covers(grant, implier)));
  }

  private impliersOf(scope: string): readonly string[] {
    const known = this.grantedBy.get(scope);
    return known ?? this.writersOf(scope).flatMap((writer) => [writer, ...(this.grantedBy.get(writer) ?? NO_SCOPES)]);
  }

  private writersOf(scope: string): readonly string[] {
    return this.writeImpliesRead && hasReadSegment(scope) ? [withWriteSegment(scope)] : NO_SCOPES;
  }
}

/** Everything that `next` leads to from a scope, without the scope. */
function reachable(scope: string, next: (scope: string) => readonly string[]): readonly string[] {
  const seen = new Set([scope]);
  // Elements that are added on the way are visited as well.
  for (const each of seen) next(each).forEach((found) => seen.add(found));
  return [...seen].slice(1);
}

function covers(grant: string, scope: string): boolean {
  if (grant === scope || grant === '*') return true;
  return grant.endsWith(':*') && scope.startsWith(grant.slice(0, -1));
}

const READ_SEGMENT = /(^|:)read(?=:|$)/g;

function hasReadSegment(scope: string): boolean {
  return scope.includes('read') && scope.split(':').includes('read');
}

function withWriteSegment(scope: string): string {
  return scope.replace(READ_SEGMENT, '$1write');
}
