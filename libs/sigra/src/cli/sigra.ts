#!/usr/bin/env node
import { Arguments } from './arguments.js';
import { type Command, COMMON_OPTIONS, EXIT } from './command.js';
import { commands } from './commands.js';
import { helpOf, helpOfCommand } from './help.js';
import { Output } from './output.js';
import { UsageError } from './usage-error.js';

/** 128 and the number of the signal, as shells have it. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** The reader of the standard output has gone, such as `head`. */
class OutputClosed extends Error {}
class Interrupted extends Error {
  constructor(readonly exitCode: number) {
    super('Interrupted.');
  }
}

async function main(argv: readonly string[]): Promise<number> {
  const stopping = new AbortController();
  let signals = 0;
  for (const [name, code] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      stopping.abort(new Interrupted(code));
      // npm passes Ctrl-C on, and the terminal sends it as well: only a third signal ends the process at once.
      if (++signals > 2) process.exit(code);
    });
  }
  process.stdout.on('error', () => stopping.abort(new OutputClosed()));
  const found = findCommand(argv);
  const output = new Output(argv.includes('--json'), process.stdout, process.stderr);
  try {
    if (!found) return await withoutCommand(argv, output);
    const { command, rest } = found;
    const args = Arguments.parse(rest, { ...command.options, ...COMMON_OPTIONS }, command.operand);
    if (args.has('help')) {
      await output.line(helpOfCommand(command));
      return EXIT.ok;
    }
    return await command.run({ args, output, signal: stopping.signal });
  } catch (error) {
    return exitCodeOf(stopping.signal.aborted ? stopping.signal.reason : error, output, found?.command);
  }
}

function findCommand(argv: readonly string[]): { command: Command; rest: readonly string[] } | undefined {
  const command = commands.find(({ name }) => name === argv.slice(0, name.split(' ').length).join(' '));
  return command && { command, rest: argv.slice(command.name.split(' ').length) };
}

/** The help, also of a group such as `token`. */
async function withoutCommand(argv: readonly string[], output: Output): Promise<number> {
  const words = argv.filter((word) => !word.startsWith('-'));
  const group = commands.filter(({ name }) => words.length === 0 || name.startsWith(`${words.join(' ')} `));
  const isHelp = argv.some((word) => word === '--help' || word === '-h');
  if (!isHelp || group.length === 0) throw new UsageError(argv.length === 0 ? 'No command.' : 'Unknown command.');
  await output.line(helpOf(group));
  return EXIT.ok;
}

function exitCodeOf(error: unknown, output: Output, command: Command | undefined): number {
  if (error instanceof OutputClosed) return EXIT.ok;
  if (error instanceof Interrupted) return error.exitCode;
  const { code, message } = describe(error);
  if (output.isJson) output.note(JSON.stringify({ error: { code, message } }));
  else output.note(code === 'failed' || code === 'usage' ? message : `${message} (${code})`);
  if (!(error instanceof UsageError)) return EXIT.failed;
  if (!output.isJson) output.note(`See: sigra ${command ? `${command.name} ` : ''}--help`);
  return EXIT.usage;
}

function describe(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof UsageError) return { code: 'usage', message: error.message };
  if (!(error instanceof Error)) return { code: 'failed', message: String(error) };
  const { code } = error as { readonly code?: unknown };
  // Several addresses of one host can fail, and Node then has an error without a message.
  const message = error.message || (error instanceof AggregateError ? error.errors.map(String).join('; ') : error.name);
  return { code: typeof code === 'string' ? code : 'failed', message };
}

// Without a top-level await, which CommonJS does not have.
void main(process.argv.slice(2)).then((code) => {
  // The file of the host can have opened connections of its own, which would keep the process alive.
  process.stdout.write('', () => process.exit(code));
});
