import { describe, expect, it } from '@jest/globals';
import { SigraError } from '../common/sigra-error.js';
import { judged, judgedCommit } from './database-error.js';

const withCode = (code: string, severity?: string) => Object.assign(new Error(`SQLSTATE ${code}`), { code, severity });
const codeOf = (error: unknown) => (error instanceof SigraError ? error.code : 'itself');

describe('judged', () => {
  it.each(['22021', '23505', '42P01', '0A000', '54000', 'P0001'])('returns the error of SQLSTATE %s itself', (code) => {
    const error = withCode(code);

    expect(judged(error)).toBe(error);
  });

  it.each(['08006', '25006', '25P02', '25P03', '25P04', '28000', '28P01', '3D000', '40001', '40P01', '42501', '53300'])(
    'counts SQLSTATE %s as an outage',
    (code) => {
      expect(codeOf(judged(withCode(code)))).toBe('unavailable');
    },
  );

  it.each(['55000', '55P03', '57014', '57P01', '57P03', '58030', 'XX000', 'ECONNRESET', 'ENOTFOUND', 'EPIPE'])(
    'counts %s as an outage',
    (code) => {
      expect(codeOf(judged(withCode(code)))).toBe('unavailable');
    },
  );

  it.each([new Error('Connection terminated'), new Error('Query runner already released.'), 'text', undefined])(
    'counts %p, without a code, as an outage',
    (error) => {
      expect(codeOf(judged(error))).toBe('unavailable');
    },
  );
});

describe('judgedCommit', () => {
  it.each([
    ['a lost connection', new Error('Connection terminated unexpectedly'), 'outcome_unknown'],
    ['a reset connection', withCode('ECONNRESET'), 'outcome_unknown'],
    ['a server that shuts down', withCode('57P01'), 'outcome_unknown'],
    ['a session that was ended for its age', withCode('25P04'), 'outcome_unknown'],
    ['a disk without space for the log', withCode('53100', 'PANIC'), 'outcome_unknown'],
    ['a disk without space for a table', withCode('53100', 'ERROR'), 'unavailable'],
    ['a deferred constraint', withCode('23505'), 'itself'],
    ['a serialization failure', withCode('40001'), 'unavailable'],
    ['a connection that was lost before', new Error('Query runner already released.'), 'unavailable'],
    ['a client that was closed before', new Error('Client was closed and is not queryable'), 'unavailable'],
  ])('judges %s', (_what, error, code) => {
    expect(codeOf(judgedCommit(error))).toBe(code);
  });
});
