import { readFileSync, writeFileSync } from 'node:fs';

const RESERVED = '/proc/sys/vm/nr_hugepages';
/** Shared memory of PostgreSQL besides its buffers, in MiB. */
const OVERHEAD = 1.06;

/**
 * Reserves huge pages for shared buffers of this size in MiB, as PostgreSQL's manual advises. With small pages, the processor
 * has to read page tables from memory for every access to a table of gigabytes.
 *
 * @returns releases them; undefined if they cannot be reserved: not on Linux, not as root, or the memory is too
 * fragmented
 */
export function reserveHugePages(mebibytes: number): (() => void) | undefined {
  try {
    const [, kibibytes = ''] = /^Hugepagesize:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8')) ?? [];
    const wanted = Math.ceil((mebibytes * 1024 * OVERHEAD) / Number(kibibytes));
    const before = reserved();
    reserve(before + wanted);
    if (reserved() < before + wanted) {
      reserve(before);
      return undefined;
    }
    const giveBack = () => {
      process.off('exit', giveBack);
      reserve(reserved() - wanted);
    };
    process.once('exit', giveBack);
    return giveBack;
  } catch {
    return undefined;
  }
}

function reserved(): number {
  return Number(readFileSync(RESERVED, 'utf8'));
}

function reserve(pages: number): void {
  writeFileSync(RESERVED, String(pages));
}
