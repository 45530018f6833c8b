import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { eventually } from './eventually.js';

/** A command on a pseudo-terminal, as a person starts it. The program `script` of util-linux makes the terminal. */
export class Terminal {
  /** All that the command has printed, with its control sequences. */
  output = '';
  private read = 0;
  private readonly closed: Promise<number | null>;

  private constructor(private readonly child: ChildProcessWithoutNullStreams) {
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    // The command can end while keys are on their way.
    child.stdin.on('error', () => undefined);
    this.closed = once(child, 'close').then(([code]) => code as number | null);
    this.closed.catch(() => undefined);
  }

  /** @param command for the shell */
  static start(command: string, cwd: string, env: NodeJS.ProcessEnv): Terminal {
    const args = ['--quiet', '--flush', '--return', '--command', command, '/dev/null'];
    return new Terminal(spawn('script', args, { cwd, env: { ...env, SHELL: '/bin/sh', TERM: 'dumb' } }));
  }

  /** Presses keys: `\t` is Tab, `\r` Enter, `\x03` Ctrl-C. */
  press(keys: string): void {
    this.child.stdin.write(keys);
  }

  /** Waits for a text behind the one that this method found before. @returns the match */
  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    try {
      const match = await eventually(() => pattern.exec(this.output.slice(this.read)) ?? false);
      this.read += match.index + match[0].length;
      return match;
    } catch (cause) {
      throw new Error(`The terminal does not show ${String(pattern)}: ${JSON.stringify(this.output)}`, { cause });
    }
  }

  /** Waits for the end of the command. @returns its exit code */
  ended(): Promise<number | null> {
    return this.closed;
  }

  /** Ends the command, if it runs. */
  async close(): Promise<void> {
    this.child.kill();
    await this.closed;
  }
}
