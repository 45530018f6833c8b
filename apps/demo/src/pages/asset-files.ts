import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Injectable } from '@nestjs/common';

export interface AssetFile {
  readonly content: string;
  readonly contentType: string;
  /** Changes with the content, so that browsers can cache a URL forever. */
  readonly version: string;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const OWN_DIRECTORY = fileURLToPath(new URL('../assets', import.meta.url));
/** The settings page comes from its package, so that the demo uses what applications install. */
const FROM_PACKAGES = ['nestjs-sigra-ui/sigra-tokens.js'];

/** The files of `assets/` and of packages. They are few, so they are read once and kept in memory. */
@Injectable()
export class AssetFiles {
  private readonly files: ReadonlyMap<string, AssetFile>;

  constructor() {
    const { resolve } = createRequire(import.meta.url);
    const own = readdirSync(OWN_DIRECTORY).map((name) => join(OWN_DIRECTORY, name));
    const packaged = FROM_PACKAGES.map((name) => resolve(name));
    this.files = new Map([...own, ...packaged].map((path) => [basename(path), read(path)]));
  }

  find(name: string): AssetFile | undefined {
    return this.files.get(name);
  }

  /** @throws Error if the file does not exist */
  urlOf(name: string): string {
    const file = this.files.get(name);
    if (!file) throw new Error(`The asset ${name} does not exist`);
    return `/assets/${name}?v=${file.version}`;
  }
}

function read(path: string): AssetFile {
  const contentType = CONTENT_TYPES[extname(path)];
  if (!contentType) throw new Error(`The asset ${path} has an unknown content type`);
  const content = readFileSync(path, 'utf8');
  return { content, contentType, version: createHash('sha256').update(content).digest('hex').slice(0, 12) };
}
