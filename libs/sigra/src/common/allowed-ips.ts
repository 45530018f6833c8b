import { addressBits, clientAddress } from './client-address.js';
import { remembered } from './remembered.js';
import { SigraError } from './sigra-error.js';

/** The IP addresses and CIDR ranges that a credential is accepted from. Null means all addresses, and an empty array none. */
export type AllowedIps = readonly string[] | null;

/** The most entries in a request. A list that a credential inherits from several others can have more. */
export const MAX_ALLOWED_IPS = 50;

const CIDR = /^([^/%]{1,64})(?:\/(0|[1-9]\d{0,2}))?$/;
/**
 * Text of the family and of the bits of an entry up to its prefix length: an address is in the range if its own bits begin
 * so.
 */
type RangeBits = string;

const rememberedBits = remembered((entry): RangeBits | undefined => {
  const [address = '', length] = entry.split('/');
  return addressBits(address)?.slice(0, length === undefined ? undefined : 1 + Number(length));
});

/**
 * Checks a list of addresses and ranges, and writes each in one form: `192.0.2.1/32` and `::ffff:192.0.2.1` become `192.0.2.1`.
 * Repeated entries are removed.
 *
 * @returns null for none given, which means all addresses
 * @throws SigraError `invalid_allowed_ips`: not an array of 1 to 50 addresses and ranges, such as `192.0.2.0/24` and
 * `2001:db8::/32`; a zone id, a wrong prefix length, and an address in a range that is not its first one
 */
export function parseAllowedIps(given: unknown): AllowedIps {
  if (given === undefined || given === null) return null;
  if (!Array.isArray(given) || given.length === 0 || given.length > MAX_ALLOWED_IPS) {
    throw invalid(`allowedIps is an array of 1 to ${MAX_ALLOWED_IPS} addresses and ranges, or null for all addresses.`);
  }
  return [...new Set(given.map(canonical))];
}

/** Whether a value is a list that `parseAllowedIps` can have returned, of any length. */
export function isAllowedIps(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => readRange(entry) === entry);
}

/** Whether a list has an address, in any form. An address that is not known is in no list. */
export function admitsIp(list: AllowedIps, ipAddress: string | undefined): boolean {
  if (list === null) return true;
  const bits = ipAddress === undefined ? undefined : addressBits(ipAddress);
  return bits !== undefined && list.some((entry) => bits.startsWith(bitsOf(entry)));
}

/** Whether each entry of a list is in one entry of another. */
export function isWithinIps(list: AllowedIps, limit: AllowedIps): boolean {
  return limit === null || list?.every((entry) => isInOne(entry, limit)) === true;
}

/** The addresses that two lists have in common. Returns the first list when the second takes nothing away. */
export function commonIps(list: AllowedIps, limit: AllowedIps): AllowedIps {
  if (limit === null || isWithinIps(list, limit)) return list;
  if (list === null) return limit;
  const common = list.flatMap((entry) =>
    isInOne(entry, limit) ? [entry] : limit.filter((narrower) => isInOne(narrower, [entry])),
  );
  return [...new Set(common)];
}

/**
 * The addresses of a credential that is made with another one.
 *
 * @param requested null for all that the maker can give
 * @throws SigraError `invalid_allowed_ips` for addresses that the maker is not accepted from
 */
export function grantIps(requested: AllowedIps, maker: AllowedIps): AllowedIps {
  if (requested === null) return maker;
  if (isWithinIps(requested, maker)) return requested;
  throw invalid('The credential that makes the token is not accepted from all of allowedIps.');
}

/**
 * The addresses of a successor, which another credential can make.
 *
 * @throws SigraError `invalid_allowed_ips` when no address is left, so that no successor is made that is accepted from nowhere
 */
export function inheritIps(list: AllowedIps, maker: AllowedIps): AllowedIps {
  const common = commonIps(list, maker);
  if (common?.length === 0) {
    throw invalid('The credential that rotates the token is accepted from none of its allowedIps.');
  }
  return common;
}

function isInOne(entry: string, ranges: readonly string[]): boolean {
  const bits = bitsOf(entry);
  return ranges.some((range) => bits.startsWith(bitsOf(range)));
}

/** The bits of an entry in its canonical form. */
function bitsOf(entry: string): RangeBits {
  return rememberedBits(entry) ?? '';
}

function canonical(entry: unknown): string {
  const range = readRange(entry);
  if (range !== undefined) return range;
  throw invalid(
    `An entry of allowedIps is not an address such as 192.0.2.1 or 2001:db8::1, or a range such as 192.0.2.0/24 or 2001:db8::/32, which begins with its first address.`,
  );
}

/** The canonical form of an address or a range; undefined if it is neither. */
function readRange(entry: unknown): string | undefined {
  const [, text, length] = (typeof entry === 'string' ? CIDR.exec(entry) : null) ?? [];
  const bits = text === undefined ? undefined : addressBits(text)?.slice(1);
  if (text === undefined || bits === undefined) return undefined;
  const { address } = clientAddress(text);
  if (length === undefined) return address;
  // The length in an IPv4-mapped address counts its first 96 bits, too.
  const kept = Number(length) - (text.includes(':') ? 128 - bits.length : 0);
  // `10.0.0.5/8` can be a mistake for one address, and would allow 16 million.
  if (kept < 0 || kept > bits.length || bits.includes('1', kept)) return undefined;
  return kept === bits.length ? address : `${address}/${kept}`;
}

function invalid(message: string): SigraError {
  return new SigraError('invalid_allowed_ips', message);
}
