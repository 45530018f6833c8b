import type { LoggerService } from '@nestjs/common';

/** A logger of an application that keeps what is logged. */
export function recordingLogger(): LoggerService & { readonly lines: readonly string[] } {
  const lines: string[] = [];
  const record = (...given: unknown[]) => void lines.push(given.map(String).join(' '));
  return { lines, log: () => undefined, warn: record, error: record };
}
