import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { jest } from '@jest/globals';
import type { LoggerService } from '@nestjs/common';
import type { Logger as TypeOrmLogger } from 'typeorm';
import { everythingIn } from './leaks.js';

const OPERATIONS = [
  ...['create', 'verify', 'revoke', 'revoke_all', 'rotate'].map((operation) => `sigra:api_token:${operation}`),
  ...['generate', 'verify', 'refresh'].map((operation) => `sigra:jwt:${operation}`),
];
const CHANNELS = [
  ...OPERATIONS.flatMap((name) =>
    ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((phase) => `tracing:${name}:${phase}`),
  ),
  'sigra:jwt:refresh_reuse_detected',
  'sigra:audit:log_safe_error',
];

/** Records everything that a process reports: logs of Nest and TypeORM, output, diagnostics channels. */
export class Recorder {
  readonly texts: string[] = [];
  /** The names of the channels that published a message. */
  readonly heard = new Set<string>();
  private readonly spies: { mockRestore(): void }[] = [];

  readonly note = (...values: unknown[]): void => {
    for (const value of values) this.texts.push(...everythingIn(value));
  };

  private readonly listen = (message: unknown, name: string | symbol): void => {
    this.heard.add(String(name));
    this.note(message);
    // Subscribers can serialize a message, for example to ship logs.
    if (typeof message === 'object') this.note(JSON.stringify(message));
  };

  start(): void {
    for (const name of CHANNELS) subscribe(name, this.listen);
    for (const stream of [process.stdout, process.stderr]) {
      this.spies.push(
        jest.spyOn(stream, 'write').mockImplementation((chunk) => {
          this.note(typeof chunk === 'string' ? chunk : Buffer.from(chunk));
          return true;
        }),
      );
    }
    for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const) {
      this.spies.push(jest.spyOn(console, method).mockImplementation(this.note));
    }
  }

  stop(): void {
    for (const name of CHANNELS) unsubscribe(name, this.listen);
    for (const spy of this.spies.splice(0)) spy.mockRestore();
  }

  get nestLogger(): LoggerService {
    const { note } = this;
    return { log: note, error: note, warn: note, debug: note, verbose: note, fatal: note };
  }

  get typeOrmLogger(): TypeOrmLogger {
    const { note } = this;
    return {
      logQuery: (sql, parameters) => note('query', sql, parameters),
      logQueryError: (error, sql, parameters) => note('failed', error, sql, parameters),
      logQuerySlow: (_time, sql, parameters) => note('slow', sql, parameters),
      logSchemaBuild: note,
      logMigration: note,
      log: (_level, message) => note(message),
    };
  }
}
