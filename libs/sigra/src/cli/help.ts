import type { OptionSpecs } from './arguments.js';
import { type Command, COMMON_OPTIONS } from './command.js';
import { aligned } from './text-table.js';

/** The help of all commands. */
export function helpOf(commands: readonly Command[]): string {
  return [
    'Usage: sigra COMMAND [OPTIONS]',
    '',
    indented(commands.map(({ name, summary }) => [name, firstSentence(summary)])),
    '',
    'sigra COMMAND --help describes a command. The database is that of a data-source file (-d PATH) or of DATABASE_URL.',
    'Exit codes: 0 done, 1 failed, 2 wrong usage, 3 findings, 130 interrupted.',
  ].join('\n');
}

/** The help of one command. */
export function helpOfCommand({ name, summary, details, operand, options }: Command): string {
  const all: OptionSpecs = { ...options, ...COMMON_OPTIONS };
  const lines = Object.entries(all).map(([option, { value, short, description }]) => [
    [short === undefined ? '   ' : `-${short},`, `--${option}`, value].filter(Boolean).join(' '),
    description,
  ]);
  return [
    `Usage: sigra ${name}${operand === undefined ? '' : ` ${operand}`} [OPTIONS]`,
    '',
    summary,
    ...(details === undefined ? [] : [details]),
    '',
    indented(lines),
  ].join('\n');
}

function indented(lines: readonly (readonly string[])[]): string {
  return aligned(lines)
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}

function firstSentence(text: string): string {
  return /^.*?[.:](?=\s|$)/.exec(text)?.[0].replace(/:$/, '.') ?? text;
}
