import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ConsoleLogger, type LogLevel } from '@nestjs/common';
import { pino } from 'pino';
import { createLogger, format, transports } from 'winston';
import { createRedactor } from './redactor.js';
import { mintRawToken, mintRefreshToken } from './token-format.js';

const TOKEN = mintRawToken('sigra_sk_');
const CI = mintRawToken('ci_');
const REFRESH = mintRefreshToken();
const JWT = `eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.${Buffer.from('{"sub":"ada"}').toString('base64url')}.c2lnbmF0dXJl`;
const { redact, redactText } = createRedactor('sigra_sk_', 'ci_');
const all = [TOKEN, CI, REFRESH, JWT];

describe('redactText', () => {
  it.each(all)('removes %s wherever it stands', (secret) => {
    const texts = [secret, `a ${secret} b`, `?access_token=${secret}&x=1`, `{"token":"${secret}"}`, `x=${secret}.`];

    for (const text of texts) expect(redactText(text)).not.toContain(secret.slice(-20));
    expect(redactText(`a ${secret} b`)).toBe('a [redacted] b');
  });

  it.each(all)('removes %s where it is percent-encoded', (secret) => {
    const encoded = secret.replaceAll('_', '%5F').replaceAll('.', '%2e');

    expect(redactText(`GET /?q=Bearer%20${secret}&n=1`)).toBe('GET /?q=Bearer%20[redacted]&n=1');
    expect(redactText(`/cb?next=%3Ftoken%3D${encoded}&n=1`)).toBe('/cb?next=%3Ftoken%3D[redacted]&n=1');
  });

  it('removes a token that was cut', () => {
    expect(redactText(`token ${TOKEN.slice(0, 45)}`)).toBe('token [redacted]');
  });

  it.each([
    ['Bearer opaque-credential-123', 'Bearer [redacted]'],
    ['Basic dXNlcjpwYXNzd29yZA==', 'Basic [redacted]'],
    ['Authorization: Custom abc def', 'Authorization: [redacted] def'],
    ['{"authorization":"secret"}', '{"authorization":"[redacted]"}'],
  ])('removes the credential of %s', (text, expected) => {
    expect(redactText(text)).toBe(expected);
  });

  it.each(['Bearer realm="api"', 'sigra_sk_ is the prefix', 'a task_name', 'd41d8cd98f00b204e9800998ecf8427e', 'eyJ'])(
    'keeps %s',
    (text) => {
      expect(redactText(text)).toBe(text);
    },
  );

  it.each([
    ['JWT starts', 'eyJ'],
    ['prefixes', 'sigra_sk_'],
    ['dots', `${JWT}.`],
    ['schemes', 'Bearer '],
    ['spaces', ' '],
    ['headers', 'authorization: '],
    ['percent signs', '%25'],
    ['underscores', 'sigra%255Fsk%255F'],
  ])('takes linear time for many %s', (_name, part) => {
    const text = part.repeat(Math.ceil(100_000 / part.length));
    const start = process.cpuUsage();

    redactText(text);

    const { user } = process.cpuUsage(start);
    expect(user / 1000).toBeLessThan(500);
  });

  it('limits the length of a text', () => {
    expect(redactText('a'.repeat(200_000))).toBe(`${'a'.repeat(100_000)}[truncated]`);
  });
});

describe('redact', () => {
  it('copies objects, arrays, maps and sets, and leaves the originals', () => {
    const value = { list: [TOKEN], map: new Map<string, unknown>([['a', { jwt: JWT }]]), set: new Set([CI]), n: 1 };

    const copy = redact(value);

    const map = new Map([['a', { jwt: '[redacted]' }]]);
    expect(copy).toEqual({ list: ['[redacted]'], map, set: new Set(['[redacted]']), n: 1 });
    expect(value.list).toEqual([TOKEN]);
  });

  it('replaces properties whose name announces a credential', () => {
    const headers = { Authorization: 'Custom x', cookie: 'sid=1', 'x-request-id': '7' };
    const body = new Map([['client_secret', 'x']]);

    expect(redact({ headers, body, refresh_token: 'x' })).toEqual({
      headers: { Authorization: '[redacted]', cookie: '[redacted]', 'x-request-id': '7' },
      body: new Map([['client_secret', '[redacted]']]),
      refresh_token: '[redacted]',
    });
  });

  it('removes tokens from the names of properties', () => {
    expect(redact({ [TOKEN]: 1 })).toEqual({ '[redacted]': 1 });
  });

  it('keeps cycles', () => {
    const value: Record<string, unknown> = { token: TOKEN };
    value.self = value;

    const copy = redact(value) as typeof value;

    expect(copy.self).toBe(copy);
    expect(copy.token).toBe('[redacted]');
  });

  it('copies errors with their causes, stacks and class', () => {
    const cause = Object.assign(new TypeError(`cause ${JWT}`), { query: { parameters: [TOKEN] } });
    const error = new AggregateError([new Error(CI)], `failed for ${REFRESH}`, { cause });

    const copy = redact(error) as AggregateError;

    expect(copy).toBeInstanceOf(AggregateError);
    expect(copy.message).toBe('failed for [redacted]');
    expect(copy.cause).toBeInstanceOf(TypeError);
    for (const secret of all) expect(inspect(copy, { depth: 9, showHidden: true })).not.toContain(secret);
    expect(copy.stack).toContain('redactor.spec');
  });

  it('leaves buffers and dates alone, and writes URLs', () => {
    const [buffer, date] = [Buffer.from(TOKEN), new Date()];
    const copy = redact({ buffer, date, url: new URL(`https://api.example/?t=${TOKEN}`) }) as Record<string, unknown>;

    expect(copy.buffer).toBe(buffer);
    expect(copy.date).toBe(date);
    expect(copy.url).toBe('https://api.example/?t=[redacted]');
  });

  it('survives getters and proxies that throw', () => {
    const fail = () => {
      throw new Error('no');
    };
    const value = Object.defineProperty({ token: TOKEN }, 'bad', { get: fail, enumerable: true });

    expect(redact({ value, proxy: new Proxy({}, { ownKeys: fail, getPrototypeOf: fail }) })).toEqual({
      value: { token: '[redacted]', bad: '[unreadable]' },
      proxy: '[unreadable]',
    });
  });

  it('uses toJSON, as loggers do', () => {
    class Secret {
      #token = TOKEN;
      toJSON() {
        return { token: this.#token };
      }
    }

    expect(redact(new Secret())).toEqual({ token: '[redacted]' });
  });

  it('does not change a prototype', () => {
    const copy = redact(JSON.parse('{"__proto__":{"admin":true}}')) as { admin?: boolean };

    expect(copy.admin).toBeUndefined();
  });

  it('limits depth and size', () => {
    let deep: object = {};
    for (let level = 0; level < 10_000; level++) deep = { deep };

    expect(JSON.stringify(redact(deep))).toContain('[truncated]');
    expect((redact(Array.from({ length: 1e6 }, () => TOKEN)) as unknown[]).length).toBeLessThanOrEqual(1001);
  });
});

describe('the recipes for loggers', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it.each([false, true])('redact what Nest’s ConsoleLogger prints, as JSON: %s', (json) => {
    class RedactingLogger extends ConsoleLogger {
      protected override printMessages(
        messages: unknown[],
        context?: string,
        level?: LogLevel,
        stream?: 'stdout' | 'stderr',
        stack?: unknown,
      ): void {
        super.printMessages(messages.map(redact), context, level, stream, redact(stack));
      }

      protected override resolveMessage(message: unknown): unknown {
        return redact(super.resolveMessage(message));
      }

      protected override printStackTrace(stack: string): void {
        super.printStackTrace(redact(stack) as string);
      }
    }
    const written: string[] = [];
    const write = (chunk: unknown) => Boolean(written.push(String(chunk)));
    jest.spyOn(process.stdout, 'write').mockImplementation(write);
    jest.spyOn(process.stderr, 'write').mockImplementation(write);
    const logger = new RedactingLogger({ json });

    logger.log({ token: TOKEN }, 'Context');
    logger.warn(`with ${JWT}`);
    logger.warn(() => `later ${CI}`);
    logger.error(`failed ${TOKEN}`, `Error: ${TOKEN}\n    at file.js:1:1`, 'Context');
    logger.error(new Error(REFRESH));

    expect(written.join('')).toContain('[redacted]');
    for (const secret of all) expect(written.join('')).not.toContain(secret);
  });

  it('redact what pino writes', () => {
    const written: string[] = [];
    const stream = { write: (line: string) => void written.push(line) };
    const logger = pino({ hooks: { streamWrite: (line) => `${JSON.stringify(redact(JSON.parse(line)))}\n` } }, stream);

    logger.info({ request: { headers: { authorization: `Bearer ${TOKEN}` } } }, 'with %s', JWT);
    logger.error(new Error(REFRESH, { cause: new Error(CI) }));
    // As middleware does that logs a request.
    const child = logger.child({ req: { headers: { authorization: JWT } } }, { serializers: { res: () => TOKEN } });
    child.info({ res: {} }, 'request completed');

    expect(written.join('')).toContain('[redacted]');
    expect(JSON.parse(written[1]!)).toMatchObject({ err: { message: '[redacted]: [redacted]' } });
    for (const secret of all) expect(written.join('')).not.toContain(secret);
  });

  it('redact what winston writes', () => {
    const written: string[] = [];
    const stream = new Writable({
      write(chunk, _encoding, done) {
        written.push(String(chunk));
        done();
      },
    });
    const redacting = format((info) => Object.assign(info, redact(info)));
    const logger = createLogger({
      format: format.combine(redacting(), format.json()),
      transports: [new transports.Stream({ stream })],
    });

    logger.info(`with ${JWT}`, { list: [TOKEN], nested: { url: `/?t=${REFRESH}` } });

    expect(JSON.parse(written[0]!)).toMatchObject({ message: 'with [redacted]', level: 'info', list: ['[redacted]'] });
    for (const secret of all) expect(written.join('')).not.toContain(secret);
  });
});
