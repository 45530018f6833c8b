import { connect, type Socket } from 'node:net';
import { fire } from './raw-http.js';

export interface Served {
  readonly node: string;
  /** When the request was sent and answered, on the clock of `performance.now()`. */
  readonly start: number;
  readonly end: number;
  readonly status: number;
}

/** A constant number of requests in flight, spread over several nodes. */
export class Load {
  private readonly sockets: readonly (readonly [string, Socket])[];

  constructor(
    private readonly urls: readonly string[],
    inFlight: number,
  ) {
    this.sockets = Array.from({ length: inFlight }, (_, index) => {
      const url = urls[index % urls.length] as string;
      const { hostname, port } = new URL(url);
      return [url, connect(Number(port), hostname)];
    });
  }

  /**
   * Presents a credential over and over, and ends it meanwhile. Goes on until each node has served a request per
   * connection that was sent after the end, however the machine shares its time between them.
   *
   * @param headers that carry the credential
   * @param end resolves once the credential has ended
   * @returns every answer, and when the end began and was done
   */
  async endUnder(
    headers: Readonly<Record<string, string>>,
    end: () => Promise<void>,
  ): Promise<{ served: Served[]; began: number; ended: number }> {
    const served: Served[] = [];
    const missing = new Map(this.urls.map((url) => [url, this.sockets.length]));
    let ended = Infinity;
    let warm: () => void;
    const warmUp = new Promise<void>((resolve) => (warm = resolve));
    const shot = { path: '/me', headers };
    const present = async ([node, socket]: readonly [string, Socket]) => {
      while ([...missing.values()].some((count) => count > 0)) {
        const start = performance.now();
        const { status } = await fire(socket, shot);
        served.push({ node, start, end: performance.now(), status });
        if (start > ended) missing.set(node, missing.get(node)! - 1);
        if (served.length === 2 * this.sockets.length) warm();
      }
    };
    const presenting = Promise.all(this.sockets.map(present));
    await warmUp;
    const began = performance.now();
    await end();
    ended = performance.now();
    await presenting;
    return { served, began, ended };
  }

  stop(): void {
    for (const [, socket] of this.sockets) socket.destroy();
  }
}
