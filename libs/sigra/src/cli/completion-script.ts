export const SHELLS = ['bash', 'zsh'] as const;

/**
 * Makes a completion script for `sigra`.
 *
 * @param following the words that can follow each beginning of a command
 */
export function completionScript(
  shell: (typeof SHELLS)[number],
  following: ReadonlyMap<string, readonly string[]>,
): string {
  const cases = [...following].map(([beginning, words]) => `    '${beginning}') words='${words.join(' ')}' ;;`);
  const bash = [
    '_sigra() {',
    '  local begin=() index word words=""',
    '  for ((index = 1; index < COMP_CWORD; index++)); do',
    '    word="${COMP_WORDS[index]}"',
    '    [[ "$word" == -* ]] && break',
    '    begin+=("$word")',
    '  done',
    '  case "${begin[*]}" in',
    ...cases,
    '  esac',
    '  local previous="${COMP_WORDS[COMP_CWORD - 1]}"',
    '  if [[ "$previous" == -d || "$previous" == --data-source ]]; then',
    '    COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))',
    '  else',
    '    COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))',
    '  fi',
    '}',
    'complete -F _sigra sigra',
  ];
  return (shell === 'bash' ? bash : ['autoload -U +X bashcompinit && bashcompinit', ...bash]).join('\n');
}
