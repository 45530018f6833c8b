import { createHash, createSign, generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A key of a scanner. */
export interface ScannerKey extends KeyPairKeyObjectResult {
  readonly id: string;
}

export function scannerKey(id: string, namedCurve = 'P-256'): ScannerKey {
  return { id, ...generateKeyPairSync('ec', { namedCurve }) };
}

/** SHA-256 of a raw token, in hex, as verdicts have it. */
export const hashOf = (rawToken: string) => createHash('sha256').update(rawToken).digest('hex');

/** A scanner that publishes keys and signs reports as GitHub does. */
export class LeakScanner {
  keys: ScannerKey[] = [scannerKey('key-1')];
  /** How often its keys were read. */
  readings = 0;
  isDown = false;
  private readonly server = createServer((_request, response) => {
    this.readings++;
    if (this.isDown) {
      response.writeHead(403).end();
      return;
    }
    const published = this.keys.map(({ id, publicKey }) => ({
      key_identifier: id,
      key: publicKey.export({ type: 'spki', format: 'pem' }),
      is_current: true,
    }));
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ public_keys: published }));
  });

  static async start(): Promise<LeakScanner> {
    const scanner = new LeakScanner();
    scanner.server.listen(0, '127.0.0.1');
    await once(scanner.server, 'listening');
    return scanner;
  }

  get keysUrl(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/keys`;
  }

  /** The headers of a report. */
  headersOf(body: string, key = this.keys[0]!): Record<string, string> {
    return {
      'content-type': 'application/json',
      'github-public-key-identifier': key.id,
      'github-public-key-signature': createSign('sha256').update(body).sign(key.privateKey, 'base64'),
    };
  }

  /** Sends a signed report: a body, or entries. */
  report(url: string, report: string | readonly object[]): Promise<Response> {
    const body = typeof report === 'string' ? report : JSON.stringify(report);
    return fetch(url, { method: 'POST', headers: this.headersOf(body), body });
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }
}
