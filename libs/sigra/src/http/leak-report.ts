import { refuse } from '../common/sigra-error.js';
import type { LeakPlace, LeakReport } from '../config/sigra-options.js';

/** The most entries of a report. */
export const MAX_LEAKS = 10_000;

const MAX_PLACES = 10;

/** What is read of an entry. */
interface Entry {
  readonly token?: unknown;
  readonly type?: unknown;
  readonly url?: unknown;
  readonly source?: unknown;
}

/**
 * Reads a report in the form of GitHub's secret scanning: a JSON array of `{ token, type, url, source }`. Only the token is
 * required. Other members are ignored.
 *
 * @returns the reports by token, in texts of any length: one that was found in several places counts once
 * @throws SigraError `invalid_request`
 */
export function parseLeakReport(bytes: Buffer): ReadonlyMap<string, LeakReport> {
  const entries = jsonOf(bytes);
  if (!Array.isArray(entries)) throw invalid('The body must be a JSON array.');
  if (entries.length > MAX_LEAKS) throw invalid(`The report has more than ${MAX_LEAKS} entries.`);
  const reports = new Map<string, LeakReport & { readonly places: LeakPlace[] }>();
  for (const entry of entries as unknown[]) {
    const { token, type, url, source } = Object(entry) as Entry;
    if (typeof token !== 'string') throw invalid('Each entry has a token, which is a string.');
    const report = reports.get(token) ?? { type: textOf(type), places: [] };
    reports.set(token, report);
    if (report.places.length === MAX_PLACES) continue;
    report.places.push({ url: textOf(url), source: textOf(source) });
  }
  return reports;
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    // The error of the parser would repeat a part of the report.
    throw invalid('The body must be JSON.');
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function invalid(message: string) {
  return refuse('invalid_request', message);
}
