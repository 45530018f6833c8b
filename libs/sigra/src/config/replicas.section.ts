import { integer } from './option-kinds.js';
import { section, type SpecsOf } from './option-section.js';
import { option } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { ReplicasOptions } from './sigra-options.js';

export const replicasSection = section({
  urls: option({ accepts: 'array of `postgres` URLs', default: [], check: checkUrls }),
  leaseMilliseconds: integer({ unit: 'milliseconds', min: 50, max: 5000, default: 250 }),
} satisfies SpecsOf<ReplicasOptions>);

/** The resolved options of standbys. */
export type ReplicasConfig = ReturnType<typeof replicasSection.resolve>;

function checkUrls(path: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw new SigraConfigError(path, 'must be an array of postgres:// URLs');
  const urls = (value as unknown[]).map((url, index) => {
    // Not quoted: it has a password.
    if (typeof url !== 'string' || !isDatabaseUrl(url)) {
      throw new SigraConfigError(
        `${path}[${index}]`,
        'is not a URL of a database; for example postgres://reader:secret@standby-1:5432/app',
      );
    }
    return url;
  });
  return Object.freeze([...new Set(urls)]);
}

/** A URL without a database would name that of the role. */
function isDatabaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname } = new URL(text);
  return /^postgres(?:ql)?:$/.test(protocol) && hostname !== '' && pathname.length > 1;
}
