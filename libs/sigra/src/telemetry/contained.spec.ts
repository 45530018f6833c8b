import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type Channel, channel, subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { contained, containedTracing } from './contained.js';

let count = 0;

describe('a contained channel', () => {
  let name: string;
  let published: Channel;
  const logged: string[] = [];

  beforeAll(() => {
    Logger.overrideLogger({
      log: () => undefined,
      warn: () => undefined,
      error: (message: string) => void logged.push(message),
    });
  });
  beforeEach(() => {
    name = `sigra:test:${count++}`;
    published = contained(channel(name));
    logged.length = 0;
  });
  afterAll(() => {
    Logger.overrideLogger(['error']);
  });

  it('delivers messages to its subscribers until they unsubscribe', () => {
    const seen: unknown[] = [];
    const [first, second] = [
      (each: unknown) => void seen.push(['first', each]),
      (each: unknown) => void seen.push(each),
    ];

    subscribe(name, first);
    subscribe(name, second);
    published.publish(1);
    const left = unsubscribe(name, first);
    published.publish(2);
    const leftTwice = unsubscribe(name, first);
    unsubscribe(name, second);
    published.publish(3);

    expect(seen).toEqual([['first', 1], 1, 2]);
    expect([left, leftTwice, published.hasSubscribers]).toEqual([true, false, false]);
  });

  it('calls a subscriber that subscribes twice two times, as Node does', () => {
    let calls = 0;
    const listener = () => {
      calls++;
    };
    subscribe(name, listener);
    subscribe(name, listener);

    published.publish(1);
    unsubscribe(name, listener);
    published.publish(2);

    expect(calls).toBe(3);
  });

  it('logs an error that a subscriber throws, and calls the other subscribers', () => {
    const seen: unknown[] = [];
    subscribe(name, () => {
      throw new Error('failure');
    });
    subscribe(name, (message) => void seen.push(message));

    published.publish('message');

    expect(seen).toEqual(['message']);
    expect(logged).toEqual([expect.stringMatching(new RegExp(`^A subscriber of ${name} failed: Error: failure\\n`))]);
  });

  it('logs a thrown value that is not an error', () => {
    subscribe(name, () => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- a subscriber can throw anything
      throw 'a string';
    });

    published.publish('message');

    expect(logged).toEqual([`A subscriber of ${name} failed: a string`]);
  });

  it('logs the rejection of an async subscriber', async () => {
    const rejection = Promise.reject(new Error('late failure'));
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- the mistake under test
    subscribe(name, () => rejection);

    published.publish('message');
    await rejection.catch(() => undefined);

    expect(logged).toEqual([expect.stringContaining('Error: late failure')]);
  });

  it('lets Node reject a subscriber that is not a function', () => {
    expect(() => subscribe(name, 'x' as never)).toThrow('must be of type function');
  });

  it('is wrapped consistently when several copies of the library are loaded', () => {
    const seen: unknown[] = [];
    const [early, late] = [(each: unknown) => void seen.push(each), (each: unknown) => void seen.push(['late', each])];

    subscribe(name, early);
    const again = contained(channel(name));
    subscribe(name, late);
    again.publish(1);
    const left = [unsubscribe(name, early), unsubscribe(name, late)];
    again.publish(2);

    expect(seen).toEqual([1, ['late', 1]]);
    expect([...left, published.hasSubscribers]).toEqual([true, true, false]);
  });

  it('includes all five channels of a tracing channel', async () => {
    const tracing = containedTracing(tracingChannel<unknown, { error?: unknown }>(name));
    const fail = () => {
      throw new Error('failure');
    };
    tracing.subscribe({ start: fail, end: fail, asyncStart: fail, asyncEnd: fail, error: fail });

    const refused = tracing.tracePromise(() => Promise.reject(new Error('refused')), {});

    await expect(refused).rejects.toThrow('refused');
    expect(logged).toHaveLength(5);
  });
});
