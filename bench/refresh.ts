import type { Findings } from './harness/section.js';
export const title = 'refresh';
export function run(): Promise<Findings> {
  throw new Error('not written');
}
