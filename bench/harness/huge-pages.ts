import { readFileSync, writeFileSync } from 'node:fs';

const RESERVED = '/proc/sys/vm/nr_hugepages';
/** What PostgreSQL shares beside its buffers. */
const OVERHEAD = 1.06;

/**
 * Reserves huge pages for as many MiB of shared buffers, as PostgreSQL's manual advises: with small pages, every access to
 * a table of gigabytes is one that the processor has to look up in memory first.
 *
 * @returns gives them back; nothing where they cannot be had: on another system than Linux, by another user than root, or
 * where memory is in too small pieces
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
