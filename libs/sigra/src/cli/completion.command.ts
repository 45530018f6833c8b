import { type Command, COMMON_OPTIONS, EXIT } from './command.js';
import { completionScript, SHELLS } from './completion-script.js';
import { UsageError } from './usage-error.js';

/** Makes the command that prints completion scripts. @param others all other commands */
export function completionCommand(others: readonly Command[]): Command {
  const command: Command = {
    name: 'completion',
    summary: 'Prints a completion script for bash or zsh.',
    details:
      'For bash: source <(npx sigra completion bash). For zsh, after compinit: source <(npx sigra completion zsh).',
    operand: 'SHELL',
    options: {},
    async run({ args, output }) {
      const shell = SHELLS.find((each) => each === args.operand);
      if (!shell) throw new UsageError(`SHELL is one of ${SHELLS.join(', ')}.`);
      await output.line(completionScript(shell, wordsAfter([...others, command])));
      return EXIT.ok;
    },
  };
  return command;
}

/** The words that can follow each beginning of a command. */
function wordsAfter(commands: readonly Command[]): ReadonlyMap<string, readonly string[]> {
  const following = new Map<string, Set<string>>();
  const add = (beginning: string, word: string) => {
    following.set(beginning, (following.get(beginning) ?? new Set()).add(word));
  };
  for (const { name, options, operand } of commands) {
    const words = name.split(' ');
    words.forEach((word, index) => add(words.slice(0, index).join(' '), word));
    if (operand === 'SHELL') for (const shell of SHELLS) add(name, shell);
    for (const option of Object.keys({ ...options, ...COMMON_OPTIONS })) add(name, `--${option}`);
  }
  return new Map([...following].map(([beginning, words]) => [beginning, [...words]]));
}
