import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';
import { library, root, run, tarball } from './scratch-app.js';

/**
 * An npm registry that offers the packed library as if it were published, so that commands such as `npm i nestjs-sigra` run as
 * users type them. It redirects requests for all other packages to the registry of this machine.
 */
export class LocalRegistry {
  private constructor(
    private readonly server: Server,
    /** For npm's setting `registry`. */
    readonly url: string,
  ) {}

  static async start(): Promise<LocalRegistry> {
    const upstream = (await run(root, 'npm', ['config', 'get', 'registry'])).trim().replace(/\/$/, '');
    const bytes = await readFile(tarball);
    const server = createServer((request, response) => {
      const path = request.url ?? '/';
      if (path === `/${library.name}`)
        answer(response, JSON.stringify(packument(`http://${request.headers.host}`, bytes)));
      else if (path === `/${library.name}/-/${basename(tarball)}`) answer(response, bytes);
      else response.writeHead(307, { location: upstream + path }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new LocalRegistry(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function packument(registry: string, bytes: Buffer) {
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  const dist = { integrity, tarball: `${registry}/${library.name}/-/${basename(tarball)}` };
  return {
    name: library.name,
    'dist-tags': { latest: library.version },
    versions: { [library.version]: { ...library, dist } },
  };
}

function answer(response: ServerResponse, body: string | Buffer): void {
  response.setHeader('content-type', 'application/json');
  // Another run can have the same port, with another build.
  response.setHeader('cache-control', 'no-store');
  response.end(body);
}
