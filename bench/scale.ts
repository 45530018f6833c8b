import type { Findings } from './harness/section.js';
export const title = 'scale';
export function run(): Promise<Findings> {
  throw new Error('not written');
}
