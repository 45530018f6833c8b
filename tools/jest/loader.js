import { fileURLToPath } from 'node:url';
import { createScriptTransformer } from '@jest/transform';
import * as typescript from '../typescript/loader.js';

let transformer;
let options;
let reports;

/**
 * @param data `config` and `coverage`: as Jest passes them to its runtime; `sources`: as for `tools/typescript`;
 *   `reports`: a port for the paths of source maps
 */
export async function initialize(data) {
  typescript.initialize({ sources: data.sources });
  transformer = await createScriptTransformer(data.config);
  options = { ...data.coverage, supportsDynamicImport: true, supportsStaticESM: true, supportsTopLevelAwait: true };
  reports = data.reports;
}

export const { resolve } = typescript;

/** Compiles with Jest's transformer, which keeps results on disk, writes source maps and counts coverage. */
export async function load(url, context, next) {
  const { protocol, pathname } = new URL(url);
  if (protocol !== 'file:' || !pathname.endsWith('.ts')) {
    return next(url, context);
  }
  const { code, sourceMapPath } = await transformer.transformAsync(fileURLToPath(url), options);
  if (sourceMapPath) reports.postMessage([url, sourceMapPath]);
  return { format: 'module', source: code, shortCircuit: true };
}
