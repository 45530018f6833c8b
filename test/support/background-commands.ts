import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Starts commands of bash whose last one does not end, such as a server, in a process group of their own.
 *
 * @param ready a text that they print once the last one does its work
 * @throws when they end before, with all that they have printed
 */
export async function startInBackground(
  commands: string,
  ready: string,
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<BackgroundCommands> {
  const child = spawn('bash', ['-ceo', 'pipefail', commands], {
    ...options,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  await new Promise<void>((resolve, reject) => {
    const read = (text: string) => {
      printed += text;
      if (printed.includes(ready)) resolve();
    };
    child.stdout.setEncoding('utf8').on('data', read);
    child.stderr.setEncoding('utf8').on('data', read);
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`${commands}\nended (${String(code)}):\n${printed}`)));
  });
  return new BackgroundCommands(child);
}

export class BackgroundCommands {
  constructor(private readonly child: ChildProcess) {}

  /** Kills them with their children, such as those of npm. */
  kill(): void {
    if (this.child.exitCode === null && this.child.signalCode === null) process.kill(-this.child.pid!, 'SIGKILL');
  }
}
