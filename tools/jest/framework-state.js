let initial;

/**
 * Resets jest-circus, which keeps the tests of a file in global variables and expects a new global scope for each file.
 * Evaluating it anew would add an `AsyncLocalStorage` for each file, which slows down every promise.
 */
export function renewFramework() {
  const handlers = globalThis[Symbol.for('EVENT_HANDLERS')];
  const key = Object.getOwnPropertySymbols(globalThis).find(({ description }) => description === 'JEST_STATE_SYMBOL');
  const { rootDescribeBlock, ...state } = globalThis[key];
  initial ??= { state: renewed(state), root: renewed(rootDescribeBlock), handlers: [...handlers] };

  const root = renewed(initial.root);
  globalThis[key] = { ...renewed(initial.state), rootDescribeBlock: root, currentDescribeBlock: root };
  handlers.splice(0, Infinity, ...initial.handlers);
}

function renewed(object) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, emptied(value)]));
}

function emptied(value) {
  if (Array.isArray(value)) return [];
  return value instanceof Map || value instanceof WeakMap ? new value.constructor() : value;
}
