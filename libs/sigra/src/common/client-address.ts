import { isIP, isIPv4, isIPv6 } from 'node:net';
import { remembered } from './remembered.js';

/** An address, and the network whose hosts count as one client. */
export interface ClientAddress {
  readonly address: string;
  /** The /64 of an IPv6 address, such as `2001:db8:1:2::/64`; otherwise the address itself. */
  readonly network: string;
}

/**
 * Reads the address of a client. A customer of a provider usually has a /64 of IPv6 addresses and can use a new one for each
 * request, but only a few IPv4 addresses.
 *
 * An IPv4-mapped address, such as `::ffff:192.0.2.1`, becomes the IPv4 address. Other IPv6 addresses become the text of RFC 5952
 * without a zone id. Text that is not an address, which a proxy can forward, is returned unchanged, as a network of its own.
 */
export function clientAddress(text: string): ClientAddress {
  if (isIPv4(text) || !isIPv6(text)) return { address: text, network: text };
  const groups = groupsOf(text);
  const mapped = ipv4Of(groups);
  if (mapped !== undefined) return { address: mapped, network: mapped };
  return { address: format(groups), network: `${format([...groups.slice(0, 4), 0, 0, 0, 0])}/64` };
}

/**
 * An address as the digit of its family and its 32 or 128 bits, such as `411000000…` for 192.0.2.1. An IPv4-mapped address
 * has the bits of the IPv4 address, and a zone id does not count.
 *
 * @returns undefined for text that is not an address
 */
export const addressBits = remembered((text): string | undefined => {
  if (!isIP(text)) return undefined;
  const { address } = clientAddress(text);
  return isIPv4(address) ? `4${bitsOf(address.split('.').map(Number), 8)}` : `6${bitsOf(groupsOf(address), 16)}`;
});

function bitsOf(groups: readonly number[], width: number): string {
  return groups.map((group) => group.toString(2).padStart(width, '0')).join('');
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(text: string): number[] {
  const [head = '', tail] = text.replace(/%.*$/s, '').split('::');
  const left = parse(head);
  if (tail === undefined) return left;
  const right = parse(tail);
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
}

/** The groups between two ends of an address. The last one can be an IPv4 address, which stands for two groups. */
function parse(part: string): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (!group.includes('.')) return Number.parseInt(group, 16);
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

function ipv4Of(groups: readonly number[]): string | undefined {
  if (groups.slice(0, 5).some((group) => group !== 0) || groups[5] !== 0xffff) return undefined;
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 255])
    .join('.');
}

/** Replaces the longest run of zeros, and the first of equal ones (RFC 5952 section 4.2). */
function format(groups: readonly number[]): string {
  const text = groups.map((group) => `:${group.toString(16)}`).join('');
  const runs = [...text.matchAll(/(?::0){2,}(?=:|$)/g)].map(([run]) => run);
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '');
  if (longest === '') return text.slice(1);
  const start = text.indexOf(longest);
  return `${text.slice(1, Math.max(start, 1))}::${text.slice(start + longest.length + 1)}`;
}
