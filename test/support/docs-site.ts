import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { root } from './source.js';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
};

/** The built site of the documents, served as a static host does: `/errors` is `errors.html`. */
export class DocsSite {
  static readonly folder = join(root, 'dist', 'docs');

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async serve(): Promise<DocsSite> {
    if (!existsSync(join(DocsSite.folder, 'index.html'))) throw new Error('Run `npm run docs:build` first.');
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost');
      const file = [pathname, `${pathname}.html`, `${pathname}index.html`]
        .map((path) => join(DocsSite.folder, decodeURIComponent(path)))
        .find((path) => existsSync(path) && statSync(path).isFile());
      if (file === undefined) return void response.writeHead(404).end();
      void readFile(file).then((body) =>
        response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(body),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new DocsSite(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
