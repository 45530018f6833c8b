import { build } from './build.js';
import { Field } from './field.js';
import type { Say } from './texts.js';
import type { Kind, Scope } from './token.js';

/** The scopes that a token can get, by group, as checkboxes. */
export class ScopeField extends Field<HTMLFieldSetElement> {
  private readonly choices = build('div', { part: 'scope-choices' });

  constructor(
    private readonly catalogue: readonly Scope[],
    private readonly say: Say,
  ) {
    super(build('fieldset', { part: 'field scopes' }), 'scopes', say('scopes'));
    this.control.append(this.choices);
  }

  get chosen(): string[] {
    return [...this.choices.querySelectorAll<HTMLInputElement>('input:checked')].map(({ value }) => value);
  }

  /** Offers the scopes of a kind, and keeps those that are chosen. */
  offer({ scopes }: Kind): void {
    const chosen = new Set(this.chosen);
    const offered = this.catalogue.filter(({ name }) => scopes === null || scopes.some((each) => covers(each, name)));
    const groups = Map.groupBy(offered, ({ group }) => group);
    // The scopes of the application have groups; the others are folded away where there are some.
    const named = [...groups].filter(([group]) => group !== null);
    const others = groups.get(null) ?? [];
    const list = (each: readonly Scope[]) => each.map((scope) => this.choice(scope, chosen.has(scope.name)));
    const hasChosen = others.some(({ name }) => chosen.has(name));
    this.choices.replaceChildren(
      ...named.map(([group, each]) =>
        build(
          'div',
          { role: 'group', part: 'scope-group', 'aria-label': group ?? '' },
          build('p', { part: 'group-name', 'aria-hidden': 'true' }, group),
          ...list(each),
        ),
      ),
      ...(named.length === 0
        ? list(others)
        : others.length > 0
          ? [
              build(
                'details',
                { part: 'more-scopes', open: hasChosen },
                build('summary', {}, this.say('otherScopes')),
                ...list(others),
              ),
            ]
          : []),
    );
  }

  private choice({ name, title, description, implies, danger }: Scope, checked: boolean): HTMLElement {
    const hint = [description, implies.length > 0 && this.say('includes', { scopes: implies.join(', ') })];
    return build(
      'label',
      { part: 'choice' },
      build('input', { type: 'checkbox', name: 'scopes', value: name, checked }),
      build(
        'span',
        { part: 'choice-text' },
        build(
          'span',
          {},
          title ?? name,
          danger && ' ',
          danger && build('span', { part: 'badge warn' }, this.say('danger')),
        ),
        title !== null && build('code', { part: 'scope-name' }, name),
        ...hint.map((each) => each && build('span', { part: 'hint' }, each)),
      ),
    );
  }
}

function covers(pattern: string, scope: string): boolean {
  if (pattern === '*' || pattern === scope) return true;
  return pattern.endsWith(':*') && scope.startsWith(pattern.slice(0, -1));
}
