import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
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

/** The files of `assets/`. They are few, so they are read once and kept in memory. */
@Injectable()
export class AssetFiles {
  private readonly files: ReadonlyMap<string, AssetFile>;

  constructor() {
    this.files = new Map(readdirSync(OWN_DIRECTORY).map((name) => [name, read(join(OWN_DIRECTORY, name))]));
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
