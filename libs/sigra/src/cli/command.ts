import type { Arguments, OptionSpecs } from './arguments.js';
import type { Output } from './output.js';

/** The exit codes of all commands. Scripts rely on them. */
export const EXIT = {
  ok: 0,
  /** Refused, not found, the database does not answer, or `doctor` has found an error. */
  failed: 1,
  /** Wrong arguments, or a set-up that the command cannot work with. */
  usage: 2,
  /** Migrations are pending, or `doctor` has warnings or checks that it could not make. */
  findings: 3,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A call of a command. */
export interface CommandCall {
  readonly args: Arguments;
  readonly output: Output;
  /** Aborted by Ctrl-C, SIGTERM, or a closed standard output. */
  readonly signal: AbortSignal;
}

/** A command of `npx sigra`: a thin one over the services. */
export interface Command {
  /** Its words, such as `token create`. */
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** More for the help of the command. @default nothing */
  readonly details?: string;
  /** The name of the value behind the command, which is required. @default none */
  readonly operand?: string;
  readonly options: OptionSpecs;
  run(call: CommandCall): Promise<ExitCode>;
}

/** Options that every command has. */
export const COMMON_OPTIONS = {
  json: { description: 'print JSON' },
  help: { description: 'print this help', short: 'h' },
} satisfies OptionSpecs;

/** Options of the commands that need the database. */
export const DATABASE_OPTIONS = {
  'data-source': {
    description: 'the file that exports the DataSource, and the options of SigraModule as `sigra`',
    value: 'PATH',
    short: 'd',
  },
  schema: { description: 'the schema of the tables, with DATABASE_URL (default: by the search path)', value: 'NAME' },
  'owner-type': { description: 'the type of the owner (default: that of the users)', value: 'TYPE' },
} satisfies OptionSpecs;
