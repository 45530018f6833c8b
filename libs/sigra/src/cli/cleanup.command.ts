import type { CleanupProgress } from '../maintenance/token-cleanup.service.js';
import { type Command, DATABASE_OPTIONS, EXIT } from './command.js';
import { textFields } from './text-table.js';

/** Characters of the bar. */
const WIDTH = 24;

/** Runs clean-up now. */
export const cleanupCommand: Command = {
  name: 'cleanup',
  summary: 'Deletes rows that no longer affect any answer, as the schedule of your application does.',
  details: 'Ctrl-C ends it after the current batch. It exits with 1 when another node is cleaning up.',
  options: {
    ...DATABASE_OPTIONS,
    'batch-size': { description: 'rows per transaction (default: cleanup.batchSize)', value: 'ROWS' },
  },
  async run(call) {
    const { args, output, signal } = call;
    const batchSize = args.integer('batch-size');
    const { withSigra } = await import('./sigra.application.js');
    const needs = { options: 'The times for which rows are kept are options of your application.' };
    return withSigra(call, needs, async ({ cleanup }) => {
      const onProgress = (progress: CleanupProgress) => output.progress(bar(progress));
      const report = await cleanup
        .cleanupExpiredTokens({ batchSize, onProgress })
        .finally(() => output.clearProgress());
      await output.result(report, () => textFields({ ...report }));
      if (report.complete) return EXIT.ok;
      if (!signal.aborted) output.note('Another node is cleaning up: this run is not complete.');
      return EXIT.failed;
    });
  },
};

function bar({ step, steps, rows }: CleanupProgress): string {
  const filled = Math.round((WIDTH * step) / steps);
  return `[${'#'.repeat(filled)}${'-'.repeat(WIDTH - filled)}] step ${step} of ${steps}, ${rows} rows`;
}
