import { existsSync, readFileSync } from 'node:fs';

/**
 * Adds up Jest's JSON reports: `node scripts/test-totals.js report.json…`. Each missing report, empty report and
 * test file that cannot run counts as a failure. Skipped tests fail the run too.
 */
const totals = { passed: 0, failed: 0, skipped: 0 };
for (const path of process.argv.slice(2)) {
  if (!existsSync(path)) {
    console.error(`${path} is missing: the run ended without a report`);
    totals.failed++;
    continue;
  }
  const report = JSON.parse(readFileSync(path, 'utf8'));
  if (report.numTotalTests === 0) {
    console.error(`${path} contains no tests`);
    totals.failed++;
  }
  totals.passed += report.numPassedTests;
  totals.failed += report.numFailedTests + report.numRuntimeErrorTestSuites;
  totals.skipped += report.numPendingTests + report.numTodoTests;
}

console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exitCode = totals.failed > 0 || totals.skipped > 0 || totals.passed === 0 ? 1 : 0;
