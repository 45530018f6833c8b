import type { SeededRandom } from './seeded-random.js';

/** Characters that a header can contain and that parsers can mishandle. */
export const HEADER_CHARACTERS =
  ' !"#$%&\'()*+,-./0123456789:;<=>?@ABCXYZ[\\]^_`abcxyz{|}~\t\u0080\u00a0\u00e9\u00ff' + ' ==..,,';

type Mutation = (text: string, random: SeededRandom, alphabet: string) => string;

const MUTATIONS: readonly Mutation[] = [
  // Replaces, inserts or removes a character.
  (text, random, alphabet) =>
    splice(text, random.below(text.length + 1), 1, alphabet.charAt(random.below(alphabet.length))),
  (text, random, alphabet) =>
    splice(text, random.below(text.length + 1), 0, alphabet.charAt(random.below(alphabet.length))),
  (text, random) => splice(text, random.below(text.length + 1), 1, ''),
  // Swaps two neighbours.
  (text, random) => {
    const at = random.below(Math.max(text.length - 1, 1));
    return splice(
      text,
      at,
      2,
      text
        .slice(at, at + 2)
        .split('')
        .reverse()
        .join(''),
    );
  },
  // Cuts or doubles a part, changes its case, or reverses the text.
  (text, random) => text.slice(0, random.below(text.length)),
  (text, random) => text.slice(random.below(text.length)),
  (text, random) => text + text.slice(random.below(text.length)),
  (text, random) => splice(text, random.below(text.length), 8, text.slice(0, 8).toUpperCase()),
  (text) => text.toUpperCase(),
  (text) => text.toLowerCase(),
  (text) => text.split('').reverse().join(''),
];

/** The text after one to four changes; never the text itself. */
export function mutate(text: string, random: SeededRandom, alphabet: string): string {
  let mutated = text;
  for (let rounds = 1 + random.below(4); rounds > 0 || mutated === text; rounds--) {
    mutated = random.pick(MUTATIONS)(mutated, random, alphabet);
  }
  return mutated;
}

function splice(text: string, at: number, length: number, replacement: string): string {
  return text.slice(0, at) + replacement + text.slice(at + length);
}
