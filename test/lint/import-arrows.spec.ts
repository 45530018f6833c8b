import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** A small library. `breaks` is the lint rule that the file violates, if any. */
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
  'libs/sigra/src/testing.ts': { text: `export { verify } from './tokens/verifier.js';` },
  'libs/sigra/src/testing/public.ts': {
    text: `export { verify } from '../index.js';`,
    breaks: 'import-x/no-restricted-paths',
  },
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

  it('reject forbidden imports and cycles, and allow all other imports', () => {
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

  it('list every folder of the library', async () => {
    const { arrows } = (await import(pathToFileURL(join(repository, 'eslint.config.js')).href)) as {
      arrows: Record<string, string[]>;
    };

    const entries = await readdir(join(repository, 'libs/sigra/src'), { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    expect(Object.keys(arrows)).toEqual(expect.arrayContaining(folders));
  });

  it('list only folders that are imported', async () => {
    const { arrows } = (await import(pathToFileURL(join(repository, 'eslint.config.js')).href)) as {
      arrows: Record<string, string[]>;
    };
    const source = join(repository, 'libs/sigra/src');
    const unused: string[] = [];
    for (const [folder, allowed] of Object.entries(arrows)) {
      const files = await readdir(join(source, folder), { recursive: true });
      const paths = files.filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'));
      const texts = await Promise.all(paths.map((file) => readFile(join(source, folder, file), 'utf8')));
      const imports = texts.join('\n');
      unused.push(...allowed.filter((each) => !imports.includes(`../${each}/`)).map((each) => `${folder} -> ${each}`));
    }

    expect(unused).toEqual([]);
  });
});
