import { Injectable } from '@nestjs/common';
import { PassThrough, type Readable } from 'node:stream';
import type { HttpRequest } from '../auth/http-exchange.js';
import { refuse } from '../common/sigra-error.js';
import { bodyTooLarge } from './body.bounds.js';
import { FrameworkHooks } from './framework.hooks.js';
import { MountedRoutes } from './mounted.routes.js';

/** The longest report, in bytes: 10,000 tokens, with 800 bytes for each. */
export const MAX_REPORT_LENGTH = 8_000_000;
/** What any endpoint of Express reads without a signature, in bytes. */
const SMALL = 102_400;
/** What all larger reports can have together, in bytes: anyone can send one, and its signature is checked at its end. */
const MAX_HELD = 32_000_000;
/** How long a report can take to arrive: while it does, it takes the place of others. */
const READ_TIMEOUT_MS = 10_000;

/** The bytes of reports as they were sent, because a signature is over them. */
@Injectable()
export class LeakReportBytes {
  private readonly kept = new WeakMap<object, Buffer>();
  private held = 0;

  constructor(routes: MountedRoutes, hooks: FrameworkHooks) {
    if (routes.below('leaks', '') === undefined) return;
    hooks.readBodies({
      // Express ignores case, and a slash at the end. The application sets its prefix later.
      isConcerned: (method, path) =>
        method === 'POST' && path.toLowerCase().replace(/\/$/, '') === routes.of('leaks', '')?.toLowerCase(),
      read: (request, body) => this.keep(request, body),
      bodyLimit: Number.MAX_SAFE_INTEGER,
    });
  }

  /**
   * The body of a request.
   *
   * @throws Error when the application has read the body first, and has not kept its bytes as `rawBody`
   */
  of(request: HttpRequest): Buffer {
    const { raw = request, rawBody } = request as HttpRequest & { readonly raw?: object; readonly rawBody?: unknown };
    const bytes = this.kept.get(raw) ?? rawBody;
    if (Buffer.isBuffer(bytes)) return bytes;
    throw new Error(
      'sigra: the body of a leak report was read before it reached Sigra, so its signature cannot be checked; create the ' +
        'application with rawBody: true',
    );
  }

  private async keep(request: object, body: Readable): Promise<Readable> {
    // Something in front of the adapter can have read it.
    if (body.readableEnded) return body;
    const chunks: Buffer[] = [];
    let length = 0;
    let counted = 0;
    const late = setTimeout(() => {
      body.destroy(refuse('unavailable', 'The report arrives too slowly.'));
    }, READ_TIMEOUT_MS).unref();
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > MAX_REPORT_LENGTH) throw bodyTooLarge(MAX_REPORT_LENGTH);
        if (length > SMALL) {
          counted += chunk.length;
          this.held += chunk.length;
        }
        if (this.held > MAX_HELD) throw refuse('unavailable', 'Too many reports are being read.');
        chunks.push(chunk);
      }
    } finally {
      clearTimeout(late);
      this.held -= counted;
    }
    const bytes = Buffer.concat(chunks);
    this.kept.set(request, bytes);
    const copy = new PassThrough();
    // Parsers get something short: they come before the signature is checked.
    copy.end('[]');
    return Object.assign(copy, { receivedEncodedLength: bytes.length });
  }
}
