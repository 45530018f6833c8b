import { connect, type Socket } from 'node:net';
import { fire } from '../../hostile/support/flood.js';

export interface Served {
  readonly node: string;
  /** When it was sent and answered, on the clock of `performance.now()`. */
  readonly start: number;
  readonly end: number;
  readonly status: number;
}

/** So many requests in flight at all times, spread over several nodes. */
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
   * Presents a credential over and over, and ends it meanwhile.
   *
   * @param headers that carry the credential
   * @param end resolves once the credential has ended
   * @returns every answer, and when the credential had ended
   */
  async endUnder(
    headers: Readonly<Record<string, string>>,
    end: () => Promise<void>,
  ): Promise<{ served: Served[]; began: number; ended: number }> {
    const served: Served[] = [];
    let ended = Infinity;
    // Each node, however the machine shares its time between them.
    const isOver = () =>
      this.urls.every(
        (url) => served.filter(({ node, start }) => node === url && start > ended).length >= this.sockets.length,
      );
    const warmUp = this.whenServed(served, 2 * this.sockets.length);
    const shot = { path: '/me', headers };
    const present = async ([node, socket]: readonly [string, Socket]) => {
      while (!isOver()) {
        const start = performance.now();
        const { status } = await fire(socket, shot);
        served.push({ node, start, end: performance.now(), status });
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

  private async whenServed(served: readonly Served[], count: number): Promise<void> {
    while (served.length < count) await new Promise((resolve) => setImmediate(resolve));
  }
}
