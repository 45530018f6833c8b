import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AsyncLocalStorage } from 'node:async_hooks';
import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel';
import type { SigraTrace } from './channels.js';
import { traced } from './traced.js';

type Handlers = Parameters<TracingChannel<object, SigraTrace>['subscribe']>[0];

let count = 0;

describe('traced', () => {
  let channel: TracingChannel<object, SigraTrace>;
  let handlers: Handlers | undefined;
  const subscribe = (given: Partial<Handlers>) => {
    handlers = given as Handlers;
    channel.subscribe(handlers);
  };

  beforeEach(() => {
    channel = tracingChannel<object, SigraTrace>(`sigra:test:traced:${count++}`);
  });
  afterEach(() => {
    if (handlers) channel.unsubscribe(handlers);
    handlers = undefined;
  });

  it('runs the operation without a description when there are no subscribers', async () => {
    let described = false;

    const result = await traced(
      channel,
      {},
      () => Promise.resolve('done'),
      () => (described = true),
    );

    expect(result).toBe('done');
    expect(described).toBe(false);
  });

  it('publishes the description of a result, and resolves to the result', async () => {
    const events: unknown[] = [];
    subscribe({
      start: (message) => void events.push(['start', { ...message }]),
      asyncEnd: (message) => void events.push(['asyncEnd', { ...message }]),
    });

    const result = await traced(
      channel,
      { userId: 'ada' },
      () => Promise.resolve({ secret: 's3cret', id: 1 }),
      ({ id }) => ({ id }),
    );

    expect(result).toEqual({ secret: 's3cret', id: 1 });
    expect(events).toEqual([
      ['start', { userId: 'ada' }],
      ['asyncEnd', { userId: 'ada', result: { id: 1 } }],
    ]);
  });

  it('publishes an error, and rejects with it', async () => {
    const seen: SigraTrace[] = [];
    subscribe({ error: (message) => void seen.push({ ...message }) });
    const failure = new Error('refused');

    const outcome = traced(
      channel,
      { tokenId: 'a' },
      () => Promise.reject(failure),
      () => 'never',
    );

    await expect(outcome).rejects.toBe(failure);
    expect(seen).toEqual([{ tokenId: 'a', error: failure }]);
  });

  it('publishes properties that the operation adds to the message in the events of its end', async () => {
    const seen: SigraTrace[] = [];
    subscribe({
      start: (message) => void seen.push({ ...message }),
      asyncEnd: (message) => void seen.push({ ...message }),
    });
    const message: { userId?: string } = {};

    await traced(
      channel,
      message,
      async () => {
        message.userId = 'ada';
        return 1;
      },
      (result) => result,
    );

    expect(seen).toEqual([{}, { userId: 'ada', result: 1 }]);
  });

  it('gives subscribers a copy of the result', async () => {
    subscribe({ asyncEnd: ({ result }) => void (result as string[]).push('admin') });

    const result = await traced(
      channel,
      {},
      () => Promise.resolve(['read']),
      (scopes) => scopes,
    );

    expect(result).toEqual(['read']);
  });

  it.each(['start', 'end', 'asyncStart', 'asyncEnd'] as const)(
    'resolves when a subscriber of %s freezes the message',
    async (event) => {
      let runs = 0;
      subscribe({ [event]: (message: object) => void Object.freeze(message) });

      const result = await traced(
        channel,
        {},
        async () => ++runs,
        (value) => value,
      );

      expect([result, runs]).toEqual([1, 1]);
    },
  );

  it('rejects with the operation’s own error when a subscriber freezes the message', async () => {
    subscribe({ start: (message) => void Object.freeze(message) });

    const outcome = traced(
      channel,
      {},
      () => Promise.reject(new Error('refused')),
      () => 'never',
    );

    await expect(outcome).rejects.toThrow('refused');
  });

  it('resolves when the description fails', async () => {
    subscribe({ asyncEnd: () => undefined });

    const result = await traced(
      channel,
      {},
      () => Promise.resolve(1),
      () => {
        throw new Error('no description');
      },
    );

    expect(result).toBe(1);
  });

  it('runs the operation in a context that a tracer binds to start', async () => {
    const spans = new AsyncLocalStorage<object>();
    const span = { name: 'a span' };
    channel.start.bindStore(spans, () => span);

    const current = await traced(
      channel,
      {},
      async () => {
        await Promise.resolve();
        return spans.getStore();
      },
      (value) => value,
    );
    channel.start.unbindStore(spans);

    expect(current).toBe(span);
  });
});
