import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import type { JwtAlgorithm, JwtKeyOptions } from 'nestjs-sigra';
import { compiledProgram } from '../support/compiled-program.js';
import { closeJwtApps, startJwtApp } from '../support/jwt-app.js';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

interface Run {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line like `npx sigra`, from its source. */
async function sigra(...args: string[]): Promise<Run> {
  const program = await compiledProgram(path('../../libs/sigra/src/cli/sigra.ts'));
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], (error, stdout, stderr) => {
      resolve({ code: error ? error.code : 0, stdout, stderr });
    });
  });
}

const pems = (text: string): readonly string[] => text.match(/-----BEGIN[^]+?-----END [A-Z ]+-----/g) ?? [];

afterEach(closeJwtApps);

describe('npx sigra jwt keygen', () => {
  it('prints a secret that the application starts, signs and verifies with', async () => {
    const { code, stdout, stderr } = await sigra('jwt', 'keygen');
    const secret = /^JWT_SECRET_KEY=(.*)$/m.exec(stdout)?.[1];

    const test = await startJwtApp({ secret, algorithm: 'HS256' });
    const { accessToken } = await test.jwt.generateTokens(test.user, ['read:notes']);
    const answer = await test.present(accessToken);

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(answer.status).toBe(200);
  });

  it.each<JwtAlgorithm>(['RS256', 'ES256', 'ES384', 'EdDSA'])(
    'prints a key pair for %s: one node signs with the private part, another verifies with the public one',
    async (algorithm) => {
      const { code, stdout } = await sigra('jwt', 'keygen', '--algorithm', algorithm, '--kid', '2030-01');
      const [privateKey = '', publicKey = ''] = pems(stdout);
      const other: JwtKeyOptions = { kid: 'other', secret: 'the other node signs with another key' };

      const signer = await startJwtApp({ keys: [{ kid: '2030-01', privateKey }], algorithm });
      const verifier = await startJwtApp(
        { keys: [other, { kid: '2030-01', publicKey }] },
        { databaseUrl: signer.databaseUrl, clock: signer.clock },
      );
      const { accessToken } = await signer.jwt.generateTokens(signer.user, ['read:notes']);
      const answer = await verifier.present(accessToken);

      expect(code).toBe(0);
      expect(decodeProtectedHeader(accessToken)).toEqual({ alg: algorithm, typ: 'at+jwt', kid: '2030-01' });
      expect(answer.status).toBe(200);
    },
  );

  it('names the key after the day unless --kid is given', async () => {
    const before = new Date().toISOString().slice(0, 10);
    const { stdout } = await sigra('jwt', 'keygen', '--algorithm=ES256');
    const after = new Date().toISOString().slice(0, 10);

    expect([before, after]).toContain(/kid: "([^"]*)"/.exec(stdout)?.[1]);
  });

  it('prints its usage for --help', async () => {
    const { code, stdout, stderr } = await sigra('--help');

    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: sigra COMMAND /);
  });

  it.each([
    { args: [], complaint: 'No command.' },
    { args: ['jwt', 'forge'], complaint: 'Unknown command.' },
    { args: ['jwt', 'keygen', 'k'], complaint: 'Too many arguments.' },
    { args: ['jwt', 'keygen', '--algorithm', 'none'], complaint: 'Unknown algorithm "none".' },
    { args: ['jwt', 'keygen', '--algorithm', 'es256'], complaint: 'Unknown algorithm "es256".' },
    { args: ['jwt', 'keygen', '--kid', ''], complaint: 'A kid has 1 to 255 printable ASCII characters.' },
    { args: ['jwt', 'keygen', '--algorithm'], complaint: "Option '--algorithm <value>' argument missing" },
    { args: ['jwt', 'keygen', '--size', '1024'], complaint: "Unknown option '--size'" },
  ])('exits with 2, an error and where the help is for $args, and prints no key', async ({ args, complaint }) => {
    const { code, stdout, stderr } = await sigra(...args);

    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.startsWith(complaint)).toBe(true);
    expect(stderr).toMatch(/\nSee: sigra (?:jwt keygen )?--help\n$/);
  });
});
