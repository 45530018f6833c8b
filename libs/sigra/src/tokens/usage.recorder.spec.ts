import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { SystemClock } from '../common/clock.js';
import type { SigraConfig } from '../config/sigra-config.js';
import type { TokenUsageRepository } from '../persistence/token-usage.repository.js';
import { UsageRecorder } from './usage.recorder.js';

const TOKENS = 20_000;
const ROW_LENGTH = 4096;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function usedHeap(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

describe('UsageRecorder', () => {
  it('keeps the ids of tokens until the next write, without the rows that they were read from', async () => {
    const recorder = new UsageRecorder({ apiTokens: { usage: { enabled: true } } } as SigraConfig, new SystemClock(), {
      add: () => Promise.resolve(),
    } as unknown as TokenUsageRepository);
    const before = usedHeap();

    for (let number = 0; number < TOKENS; number++) {
      const row = Buffer.from(`(${String(number).padStart(36, '0')},${'x'.repeat(ROW_LENGTH)})`).toString();
      recorder.record(row.slice(1, 37));
    }

    expect(usedHeap() - before).toBeLessThan((TOKENS * ROW_LENGTH) / 4);
    await recorder.flush();
  });
});
