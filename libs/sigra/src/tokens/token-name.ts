import { SigraError } from '../common/sigra-error.js';
import { isLongerThan, isStorable } from '../common/storable-text.js';
import { MAX_NAME_LENGTH } from '../persistence/tables.js';

/** Control characters and line separators, which could confuse pages and logs that show a name. */
const CONTROL_CHARACTERS = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/** Embeddings, overrides and isolates (UAX #9). They reorder the text around them, so that one name can look like another. */
const BIDI_CONTROLS = /[\u202a-\u202e\u2066-\u2069]/u;

/**
 * A character that shows something by itself: not a space, not a combining mark, not a character that Unicode or most fonts
 * leave blank, such as Hangul fillers, variation selectors, tags and the empty Braille pattern.
 */
const VISIBLE =
  /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Cs}\p{M}\u2800\u{13441}\u{13442}\u{1d159}]/u;

/**
 * Trims and checks a name. The spaces around it count, so that a long text is refused before it is read.
 *
 * @throws SigraError `name_required`, `name_too_long`, `invalid_name`
 */
export function parseName(name: unknown): string {
  if (typeof name !== 'string') throw required();
  if (isLongerThan(name, MAX_NAME_LENGTH)) {
    throw new SigraError('name_too_long', `A name has at most ${MAX_NAME_LENGTH} characters.`);
  }
  const trimmed = name.trim();
  if (trimmed === '') throw required();
  if (CONTROL_CHARACTERS.test(trimmed) || BIDI_CONTROLS.test(trimmed) || !isStorable(trimmed)) {
    throw new SigraError('invalid_name', 'A name cannot have control characters.');
  }
  if (!VISIBLE.test(trimmed)) throw new SigraError('invalid_name', 'A name needs a visible character.');
  return trimmed;
}

function required(): SigraError {
  return new SigraError('name_required', 'A token needs a name.');
}
