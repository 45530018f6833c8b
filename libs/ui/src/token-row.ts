import { build, buildButton, type Child } from './build.js';
import { maskOf, type Scope, type Token } from './token.js';
import type { ViewContext } from './view-context.js';

export type RowAction = 'rotate' | 'edit' | 'revoke';

/** Less time than this is "soon". */
const SOON_MS = 7 * 86_400_000;

/**
 * A token in the list.
 *
 * @param scopes the known scopes by name, for their titles
 */
export function tokenRow(
  context: ViewContext,
  token: Token,
  scopes: ReadonlyMap<string, Scope>,
  act: (action: RowAction, token: Token, opener: HTMLElement) => void,
): HTMLLIElement {
  const { say } = context;
  const name = build('h3', { part: 'token-name', tabindex: '-1', 'data-key': `${token.id}:name` }, token.name);
  const chips = token.scopes.map((scope) =>
    build(
      'li',
      {
        part: scopes.get(scope)?.danger ? 'chip danger-chip' : 'chip',
        title: titleOf(scope, scopes, say('allScopes')),
      },
      scope,
    ),
  );
  const actions: readonly RowAction[] = token.replacedBy === null ? ['rotate', 'edit', 'revoke'] : ['revoke'];
  return build(
    'li',
    { part: 'token' },
    build(
      'div',
      { part: 'token-head' },
      name,
      build('code', { part: 'mask' }, maskOf(token)),
      ...badgesOf(context, token),
    ),
    token.description !== null &&
      token.description !== '' &&
      build('p', { part: 'token-description' }, token.description),
    build('ul', { role: 'list', part: 'chips', 'aria-label': say('scopes') }, ...chips),
    build('dl', { part: 'facts' }, ...factsOf(context, token)),
    build(
      'div',
      { part: 'token-actions' },
      ...actions.map((action) => {
        const part = action === 'revoke' ? 'small danger' : 'small';
        const button: HTMLButtonElement = buildButton(
          part,
          say(action),
          () => act(action, token, button),
          `${say(action)} ${token.name}`,
        );
        button.dataset.key = `${token.id}:${action}`;
        return button;
      }),
    ),
  );
}

function titleOf(scope: string, scopes: ReadonlyMap<string, Scope>, all: string): string | undefined {
  return scopes.get(scope)?.title ?? (scope === '*' ? all : undefined);
}

function badgesOf({ say }: ViewContext, { kind, replacedBy, expiresAt }: Token): Child[] {
  const left = expiresAt === null ? Infinity : Date.parse(expiresAt) - Date.now();
  const state =
    left <= 0
      ? say('expired')
      : replacedBy !== null
        ? say('replaced')
        : left < SOON_MS
          ? say('expiresSoon')
          : undefined;
  return [
    kind !== null && build('span', { part: 'badge' }, kind),
    state !== undefined && build('span', { part: 'badge warn' }, state),
  ];
}

function factsOf(context: ViewContext, token: Token): Child[] {
  const { say, times } = context;
  const { createdAt, lastUsedAt, lastUsedIp, expiresAt, replacedBy, allowedIps, resources } = token;
  const maker = makerOf(context, token);
  const from = lastUsedIp === null ? '' : ` ${say('from', { address: lastUsedIp })}`;
  return [
    fact(say('lastUsed'), ...(lastUsedAt === null ? [say('never')] : [times.element(lastUsedAt), from])),
    fact(say(replacedBy === null ? 'expires' : 'stops'), expiresAt === null ? say('never') : times.element(expiresAt)),
    fact(say('created'), times.element(createdAt)),
    maker !== undefined && fact(say('madeBy'), maker),
    allowedIps !== null && fact(say('allowedFrom'), allowedIps.join(', ') || say('noAddress')),
    resources !== null && fact(say('limitedTo'), resources.join(', ') || '–'),
  ];
}

function fact(label: string, ...values: Child[]): HTMLElement {
  return build('div', { part: 'fact' }, build('dt', {}, label), build('dd', {}, ...values));
}

function makerOf({ say, find, nameOfOwner }: ViewContext, { madeBy, creator }: Token): string | undefined {
  if (madeBy?.type === 'refresh_family') return say('madeByDevice');
  if (madeBy) {
    const maker = find(madeBy.id);
    return maker ? say('madeByToken', { name: maker.name }) : say('madeByUnknownToken');
  }
  return creator && nameOfOwner(creator);
}
