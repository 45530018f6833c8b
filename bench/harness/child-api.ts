/** Methods that a child process offers to its parent. */
export type Api = Readonly<Record<string, (argument: never) => unknown>>;

export interface Call {
  readonly id: number;
  readonly method: string;
  readonly argument: unknown;
}

export interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** Answers the parent's calls until the parent disconnects; then cleans up and ends. */
export function serve(methods: Api, close: () => unknown = () => undefined): void {
  process.on('message', (message) => {
    const { id, method, argument } = message as Call;
    void answer(methods, method, argument).then((outcome) => process.send?.({ id, ...outcome } satisfies Answer));
  });
  process.once('disconnect', () => {
    void Promise.resolve(close()).finally(() => process.exit());
  });
}

async function answer(methods: Api, method: string, argument: unknown): Promise<Omit<Answer, 'id'>> {
  if (method === 'ready') return {};
  try {
    return { result: await methods[method]?.(argument as never) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
