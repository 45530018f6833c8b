import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { outwait } from './outwait.js';

describe('outwait', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('waits one hundredth longer than the lease', async () => {
    const start = performance.now();
    await outwait(200);

    expect(performance.now() - start).toBeGreaterThanOrEqual(202);
  });

  it('waits on after a timer that fires early, or a clock that is slow', async () => {
    // A clock that runs at half of the rate.
    const start = performance.now();
    const real = performance.now.bind(performance);
    jest.spyOn(performance, 'now').mockImplementation(() => start + (real() - start) / 2);
    await outwait(100);

    expect(real() - start).toBeGreaterThanOrEqual(202);
  });
});
