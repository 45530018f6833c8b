export const SHELLS = ['bash', 'zsh'] as const;

/** The parts of a script that differ between shells. */
interface Dialect {
  /** The words between `sigra` and the cursor. */
  readonly before: string;
  /** The word before the cursor. */
  readonly previous: string;
  /** Completes the name of a file. */
  readonly file: readonly string[];
  /** Completes one of the words in `candidates`. */
  readonly candidate: string;
  readonly register: string;
}

const DIALECTS: Readonly<Record<(typeof SHELLS)[number], Dialect>> = {
  bash: {
    before: '"${COMP_WORDS[@]:1:COMP_CWORD-1}"',
    previous: '${COMP_WORDS[COMP_CWORD-1]}',
    // Folders end with a slash. The bash of macOS has no compopt.
    file: [
      'compopt -o filenames 2> /dev/null',
      "local IFS=$'\\n'",
      'COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))',
    ],
    candidate: 'COMPREPLY=($(compgen -W "$candidates" -- "${COMP_WORDS[COMP_CWORD]}"))',
    register: 'complete -F _sigra sigra',
  },
  zsh: {
    before: '"${(@)words[2,CURRENT-1]}"',
    previous: '${words[CURRENT-1]}',
    file: ['_files'],
    candidate: 'compadd -- ${=candidates}',
    register: 'compdef _sigra sigra',
  },
};

/**
 * Makes a completion script for `sigra`.
 *
 * @param following the words that can follow each beginning of a command
 */
export function completionScript(
  shell: (typeof SHELLS)[number],
  following: ReadonlyMap<string, readonly string[]>,
): string {
  const { before, previous, file, candidate, register } = DIALECTS[shell];
  return [
    '_sigra() {',
    "  local begin='' candidates='' word",
    `  for word in ${before}; do`,
    '    [[ "$word" == -* ]] && break',
    '    begin="${begin:+$begin }$word"',
    '  done',
    '  case "$begin" in',
    ...[...following].map(
      ([beginning, words]) => `    ${patternOf(beginning, words)}) candidates='${words.join(' ')}' ;;`,
    ),
    '  esac',
    `  if [[ "${previous}" == -d || "${previous}" == --data-source ]]; then`,
    ...file.map((line) => `    ${line}`),
    '  else',
    `    ${candidate}`,
    '  fi',
    '}',
    register,
  ].join('\n');
}

/** A command has options, which can also follow its operand. */
function patternOf(beginning: string, words: readonly string[]): string {
  const isCommand = words.some((word) => word.startsWith('-'));
  return isCommand ? `'${beginning}' | '${beginning} '*` : `'${beginning}'`;
}
