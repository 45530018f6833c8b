import { describe, expect, it } from '@jest/globals';
import { AcrossCopies, stateOfProcess } from './package-copies.js';
import { SigraError } from './sigra-error.js';

/** The class of another copy of the package. */
@AcrossCopies('error')
class OtherSigraError extends Error {}

class OwnError extends SigraError {}

describe('AcrossCopies', () => {
  it('recognizes the instances of every copy', () => {
    expect(new OtherSigraError()).toBeInstanceOf(SigraError);
    expect(new SigraError('not_found', 'There is none.')).toBeInstanceOf(OtherSigraError);
  });

  it('keeps the instances of subclasses apart', () => {
    const [own, error] = [new OwnError('not_found', 'There is none.'), new SigraError('not_found', 'There is none.')];

    expect([own instanceof OwnError, own instanceof SigraError]).toEqual([true, true]);
    expect([error instanceof OwnError, new OtherSigraError() instanceof OwnError]).toEqual([false, false]);
  });

  it.each([undefined, null, 'text', new Error(), SigraError])('does not recognize %s', (value) => {
    expect(value instanceof SigraError).toBe(false);
  });
});

describe('stateOfProcess', () => {
  it('is the same for each copy', () => {
    const state = stateOfProcess('spec', () => new Set([1]));

    expect(stateOfProcess('spec', () => new Set([2]))).toBe(state);
    Reflect.deleteProperty(globalThis, Symbol.for('nestjs-sigra:spec'));
  });
});
