import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** A library in small, every file with the rule that it breaks, or `undefined`. */
const fixture: Record<string, { text: string; breaks?: string }> = {
  'libs/sigra/src/index.ts': { text: `export { verify } from './tokens/verifier.js';` },
  'libs/sigra/src/common/clock.ts': { text: `export const now = 1;` },
  'libs/sigra/src/persistence/tokens.repository.ts': {
    text: `import { now } from '../common/clock.js';\nexport const find = now;`,
  },
  'libs/sigra/src/tokens/verifier.ts': {
    text: `import { find } from '../persistence/tokens.repository.js';\nexport const verify = find;`,
  },
  'libs/sigra/src/jwt/signer.ts': {
    text: `import { verify } from '../tokens/verifier.js';\nexport const sign = verify;`,
    breaks: 'import-x/no-restricted-paths',
  },
  'libs/sigra/src/tokens/types.ts': {
    text: `import type { Guard } from '../auth/guard.js';\nexport type Guarded = Guard;`,
    breaks: 'import-x/no-restricted-paths',
  },
  'libs/sigra/src/auth/guard.ts': { text: `export interface Guard {\n  open: boolean;\n}` },
  'libs/sigra/src/common/upwards.ts': {
    text: `import { verify } from '../index.js';\nexport const up = verify;`,
    breaks: 'import-x/no-restricted-paths',
  },
  'libs/sigra/src/testing.ts': {
    text: `export { verify } from './tokens/verifier.js';`,
    breaks: 'import-x/no-restricted-paths',
  },
  'libs/sigra/src/testing/public.ts': { text: `export { verify } from '../index.js';` },
  'libs/sigra/src/audit/first.ts': {
    text: `import { second } from './second.js';\nexport const first: unknown = second;`,
    breaks: 'import-x/no-cycle',
  },
  'libs/sigra/src/audit/second.ts': {
    text: `import { first } from './first.js';\nexport const second: unknown = first;`,
    breaks: 'import-x/no-cycle',
  },
  'libs/sigra/src/auth/guard.spec.ts': {
    text: `import { sign } from '../jwt/signer.js';\nexport const tested = sign;`,
  },
  'apps/demo/src/good.ts': { text: `import { verify } from 'nestjs-sigra';\nexport const good = verify;` },
  'apps/demo/src/deep.ts': {
    text: `import { verify } from '../../../libs/sigra/src/index.js';\nexport const deep = verify;`,
    breaks: 'no-restricted-imports',
  },
};

describe('the import arrows', () => {
  let root: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sigra-lint-'));
    for (const file of ['eslint.config.js', 'tsconfig.json', 'package.json']) {
      await cp(join(repository, file), join(root, file));
    }
    await symlink(join(repository, 'node_modules'), join(root, 'node_modules'));
    for (const [file, { text }] of Object.entries(fixture)) {
      await mkdir(dirname(join(root, file)), { recursive: true });
      await writeFile(join(root, file), text);
    }
  });

  afterAll(() => rm(root, { recursive: true, force: true }));

  it('are enforced, cycles too, and leave everything else alone', () => {
    const eslint = join(repository, 'node_modules/eslint/bin/eslint.js');
    const { stdout } = spawnSync(process.execPath, [eslint, '--format', 'json', 'libs', 'apps'], {
      cwd: root,
      encoding: 'utf8',
    });

    const results = JSON.parse(stdout) as { filePath: string; messages: { ruleId: string }[] }[];
    const found = Object.fromEntries(
      results.map(({ filePath, messages }) => [filePath.slice(root.length + 1), messages.map(({ ruleId }) => ruleId)]),
    );
    expect(found).toEqual(
      Object.fromEntries(Object.entries(fixture).map(([file, { breaks }]) => [file, breaks ? [breaks] : []])),
    );
  });

  it('know every folder of the library', async () => {
    const { arrows } = (await import(pathToFileURL(join(repository, 'eslint.config.js')).href)) as {
      arrows: Record<string, string[]>;
    };

    const entries = await readdir(join(repository, 'libs/sigra/src'), { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    expect(Object.keys(arrows)).toEqual(expect.arrayContaining(folders));
  });
});
