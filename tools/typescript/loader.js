import { readFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transform } from '@swc/core';
import { swcOptions } from './swc-options.js';

let sources = {};

/** @param data `sources`: paths that replace package names */
export function initialize(data) {
  sources = data?.sources ?? {};
}

/** Resolves `./file.js` to `./file.ts` when only the source exists. */
export async function resolve(specifier, context, next) {
  if (sources[specifier]) {
    return next(pathToFileURL(sources[specifier]).href, context);
  }
  try {
    return await next(specifier, context);
  } catch (error) {
    if (error.code === 'ERR_MODULE_NOT_FOUND' && /^\.{1,2}\/.*\.js$/.test(specifier)) {
      return next(specifier.replace(/\.js$/, '.ts'), context);
    }
    throw error;
  }
}

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) {
    return next(url, context);
  }
  const filename = fileURLToPath(url);
  const { code } = await transform(await readFile(filename, 'utf8'), { ...swcOptions, filename });
  return { format: 'module', source: code, shortCircuit: true };
}
