import { PassThrough, type Readable } from 'node:stream';
import { refuse } from '../common/sigra-error.js';
import { bodyTooLarge } from './body.bounds.js';

/** How much of a body that is too large is read and discarded, in bytes, so that the connection can serve the next request. */
const MAX_DISCARDED = 1_048_576;

/** A body that was read, and can be read once more. */
export interface BodyCopy {
  readonly bytes: Buffer;
  /** The same stream, if the bytes could be put back into it. */
  readonly body: Readable;
}

/**
 * Reads a body of at most `max` bytes, and puts it back for the parsers. The rest of a body that is longer is discarded up to a
 * megabyte. Then, and when nothing more arrives, the body is not `complete`.
 *
 * @param declared its `Content-Length`, in bytes
 * @throws SigraError `body_too_large`; `invalid_request` when the client ends the connection
 */
export function readAndPutBack(
  body: Readable & { readonly complete?: boolean },
  max: number,
  declared: number,
): Promise<BodyCopy> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (run: () => void) => {
      body.off('readable', onReadable).off('end', onEnd).off('error', onClose).off('close', onClose);
      run();
    };
    const take = (chunk: Buffer) => {
      length += chunk.length;
      if (length <= max) chunks.push(chunk);
    };
    const onEnd = () => {
      settle(() => {
        if (length > max) reject(bodyTooLarge(max));
        else resolve(putBack(body, Buffer.concat(chunks)));
      });
    };
    const onClose = () => {
      settle(() => {
        reject(refuse('invalid_request', 'The body is incomplete.'));
      });
    };
    const onReadable = () => {
      // To read on at the end of a request of Node would end its stream, and nothing could be put back.
      while (body.complete ? body.readableLength > 0 : true) {
        const chunk = body.read() as Buffer | null;
        if (chunk === null) break;
        take(chunk);
      }
      if (body.complete) onEnd();
      else if (length > max + MAX_DISCARDED) onEnd();
    };
    if (declared > max + MAX_DISCARDED) reject(bodyTooLarge(max));
    else body.on('readable', onReadable).on('end', onEnd).on('error', onClose).on('close', onClose);
  });
}

/** Call it before the stream emits its end, in the same tick as its last bytes were read. */
function putBack(body: Readable, bytes: Buffer): BodyCopy {
  if (body.readableEnded || bytes.length === 0) {
    const copy = new PassThrough();
    copy.end(bytes);
    return { bytes, body: copy };
  }
  body.unshift(bytes);
  return { bytes, body };
}
