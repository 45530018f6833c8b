import { refuse } from '../common/sigra-error.js';
import { storablePart } from '../common/storable-text.js';
import type { LeakPlace, LeakReport } from '../config/sigra-options.js';

/** The most entries of a report. */
export const MAX_LEAKS = 10_000;

const MAX_PLACES = 10;
const MAX_URL_LENGTH = 2048;
const MAX_NAME_LENGTH = 255;

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
 * @returns the reports by token: one that was found in several places counts once
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
    const report = reports.get(token) ?? { type: textOf(type, MAX_NAME_LENGTH), places: [] };
    reports.set(token, report);
    if (report.places.length === MAX_PLACES) continue;
    // The place is kept in the audit trail, where no raw token stands.
    const place = typeof url === 'string' ? url.replaceAll(token, '[token]') : url;
    report.places.push({ url: textOf(place, MAX_URL_LENGTH), source: textOf(source, MAX_NAME_LENGTH) });
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

function textOf(value: unknown, max: number): string | null {
  return typeof value === 'string' && value !== '' ? storablePart(value, max) : null;
}

function invalid(message: string) {
  return refuse('invalid_request', message);
}
