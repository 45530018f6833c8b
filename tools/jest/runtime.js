import { createRequire, register } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import Runtime from 'jest-runtime';
import { sources } from '../typescript/sources.js';
import { setGlobals } from './globals.js';
import { renewFramework } from './framework-state.js';
import { reportsOfLoader, sourceMaps } from './source-maps.js';

const require = createRequire(import.meta.url);
let files = 0;

/**
 * Loads modules with Node's loader instead of Jest's, so that a worker loads each library and each source once, not once
 * for each spec file, which took most of the time. Only the spec file itself is evaluated each time.
 */
export default class NativeRuntime extends Runtime {
  constructor(config, environment, resolver, transformer, cacheFS, coverage, testPath, globalConfig) {
    super(config, environment, resolver, transformer, cacheFS, coverage, testPath, globalConfig);
    if (files === 0) {
      const globals = fileURLToPath(new URL('globals.js', import.meta.url));
      register('./loader.js', import.meta.url, {
        data: { config, coverage, sources: { ...sources, '@jest/globals': globals }, reports: reportsOfLoader },
        transferList: [reportsOfLoader],
      });
    }
    files++;
  }

  // Jest would replace the function of this process.
  installGetBuiltinModule() {}

  unstable_shouldLoadAsEsm() {
    return true;
  }

  async unstable_importModule(path) {
    return import(`${pathToFileURL(path).href}?run=${files}`);
  }

  requireInternalModule(path) {
    const framework = require(path);
    renewFramework();
    return framework;
  }

  setGlobalsForRuntime(globals) {
    super.setGlobalsForRuntime(globals);
    setGlobals(this.jestGlobals.cjsGlobals(import.meta.filename));
  }

  getSourceMaps() {
    return sourceMaps;
  }

  /** Resets the counts too, because Jest adds up those of all files. */
  getAllCoverageInfoCopy() {
    const counts = super.getAllCoverageInfoCopy();
    for (const { s, f, b } of Object.values(globalThis.__coverage__ ?? {})) {
      for (const key in s) s[key] = 0;
      for (const key in f) f[key] = 0;
      for (const key in b) b[key].fill(0);
    }
    return counts;
  }
}
