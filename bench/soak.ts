import type { Findings } from './harness/section.js';
export const title = 'soak';
export function run(): Promise<Findings> {
  throw new Error('not written');
}
