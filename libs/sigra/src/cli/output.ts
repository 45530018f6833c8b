import { once } from 'node:events';

/** What a command prints: results on the standard output, everything else on the standard error. */
export class Output {
  constructor(
    /** Whether results are JSON. */
    readonly isJson: boolean,
    private readonly stdout: NodeJS.WriteStream,
    private readonly stderr: NodeJS.WriteStream,
  ) {}

  /** Whether a person sees the messages. */
  get isInteractive(): boolean {
    return this.stderr.isTTY && !this.isJson;
  }

  /** Prints a result: as JSON, or as text for people. */
  async result(value: unknown, text: () => string): Promise<void> {
    await this.line(this.isJson ? JSON.stringify(value, undefined, 2) : text());
  }

  /** Prints a line of a result, and waits while its reader is slow. */
  async line(text: string): Promise<void> {
    if (!this.stdout.write(`${text}\n`)) await once(this.stdout, 'drain');
  }

  /** Tells a person something that is not a result. */
  note(text: string): void {
    this.stderr.write(`${text}\n`);
  }

  /** Replaces the last line on a terminal. */
  progress(text: string): void {
    if (this.isInteractive) this.stderr.write(`\r\x1b[2K${text}`);
  }

  /** Removes the line of `progress`. */
  clearProgress(): void {
    this.progress('');
  }
}
