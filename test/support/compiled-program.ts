import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform, version } from '@swc/core';
import { sources } from '../../tools/typescript/sources.js';
import { swcOptions } from '../../tools/typescript/swc-options.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Inside `node_modules`, so that the compiled files find the packages. */
const OUT = join(ROOT, 'node_modules/.cache/sigra-programs');
const IMPORT = /(\bfrom\s*|\bimport\s*\(?\s*)(['"])([^'"]+)\2/g;

/** The files that this process has compiled, each with the sources that it imports: sources do not change during a run. */
const compiled = new Map<string, Promise<readonly string[]>>();

/**
 * Compiles a program and the sources that it imports. A process starts such a program in two thirds of the time that it
 * needs to compile and resolve them with a loader.
 *
 * @param path of the TypeScript file
 * @returns the path of the compiled file, below a folder that keeps unchanged files for later runs
 */
export async function compiledProgram(path: string): Promise<string> {
  await write(join(OUT, 'package.json'), '{ "type": "module" }\n');
  const files = new Set([path]);
  for (const file of files) for (const imported of await compileOnce(file)) files.add(imported);
  return target(path);
}

function target(path: string): string {
  return join(OUT, relative(ROOT, path)).replace(/\.ts$/, '.js');
}

function compileOnce(path: string): Promise<readonly string[]> {
  const known = compiled.get(path) ?? compile(path);
  compiled.set(path, known);
  return known;
}

/** @returns the sources that it imports */
async function compile(path: string): Promise<readonly string[]> {
  const source = await readFile(path, 'utf8');
  const key = createHash('sha256')
    .update(JSON.stringify([version, swcOptions, source]))
    .digest('hex');
  const mark = `\n// ${key}\n`;
  const known = await readFile(target(path), 'utf8').catch(() => '');
  let code = known;
  if (!known.endsWith(mark)) {
    const result = await transform(source, { ...swcOptions, sourceMaps: false, filename: path });
    const rewrite = (_all: string, before: string, quote: string, name: string) =>
      [before, quote, place(path, name), quote].join('');
    code = result.code.replace(IMPORT, rewrite) + mark;
    await write(target(path), code);
  }
  const imported = [...code.matchAll(IMPORT)].map(([, , , name]) => sourceOf(path, name!));
  return imported.filter((each) => each !== undefined);
}

/** Where the compiled file imports it from: a package of this repository is a file, too. */
function place(path: string, name: string): string {
  const source = sources[name];
  return source === undefined ? name : relative(dirname(target(path)), target(source)).replace(/^(?!\.)/, './');
}

/** The source behind an import of a compiled file; undefined if it is a package. */
function sourceOf(path: string, name: string): string | undefined {
  if (!name.startsWith('.')) return undefined;
  const source = join(ROOT, relative(OUT, resolve(dirname(target(path)), name))).replace(/\.js$/, '.ts');
  return existsSync(source) ? source : undefined;
}

/** Several processes can write the same file, and none may read half of it. */
async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const unfinished = `${path}.${randomUUID()}`;
  await writeFile(unfinished, text);
  await rename(unfinished, path);
}
