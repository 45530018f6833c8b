/** The value of each hexadecimal digit, by its character code. */
const DIGITS = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? 0 : value;
});
const WORDS = 4;
const FIRST_CAPACITY = 1024;
/** The golden ratio in 32 bits, whose multiples are spread evenly. */
const SPREAD = 0x9e3779b1;

/** Counts by UUID, in arrays of numbers: for many UUIDs, a `Map` takes twice the time, and leaves the garbage collector as many strings. */
export class UuidCounts {
  private length = 0;
  /** Four for each UUID. */
  private words = new Uint32Array(WORDS * FIRST_CAPACITY);
  private counts = new Float64Array(FIRST_CAPACITY);
  /** One more than the index of a UUID, at a slot that depends on it; 0 for none. At most half of the slots are used. */
  private slots = new Uint32Array(2 * FIRST_CAPACITY);
  private readonly wanted = new Uint32Array(WORDS);

  /** The number of different UUIDs. */
  get size(): number {
    return this.length;
  }

  /** @param uuid in lower case, with hyphens */
  add(uuid: string, count: number): void {
    const { wanted } = this;
    // 01234567-9abc-efgh-jklm-opqrstuvwxyz
    wanted[0] = wordAt(uuid, 0, 4);
    wanted[1] = wordAt(uuid, 9, 14);
    wanted[2] = wordAt(uuid, 19, 24);
    wanted[3] = wordAt(uuid, 28, 32);
    const index = this.indexOf(wanted);
    this.counts[index] = (this.counts[index] ?? 0) + count;
  }

  /** Adds the counts of others. @param from the index of the first one to add */
  addAll(others: UuidCounts, from: number): void {
    for (let index = from; index < others.length; index++) {
      const own = this.indexOf(others.words.subarray(WORDS * index, WORDS * (index + 1)));
      this.counts[own] = (this.counts[own] ?? 0) + (others.counts[index] ?? 0);
    }
  }

  /** Up to `limit` UUIDs with their counts, from an index on. */
  slice(from: number, limit: number): { readonly uuid: string; readonly count: number }[] {
    const to = Math.min(from + limit, this.length);
    return Array.from({ length: Math.max(to - from, 0) }, (_, offset) => {
      const index = from + offset;
      const words = this.words.subarray(WORDS * index, WORDS * (index + 1));
      return { uuid: textOf(words), count: this.counts[index] ?? 0 };
    });
  }

  /** The index of a UUID, which gets the next one if it is new. */
  private indexOf(wanted: Uint32Array): number {
    const mask = this.slots.length - 1;
    let slot = slotOf(wanted, 0) & mask;
    for (;;) {
      const index = (this.slots[slot] ?? 0) - 1;
      if (index === -1) return this.insert(wanted, slot);
      if (this.isAt(index, wanted)) return index;
      slot = (slot + 1) & mask;
    }
  }

  private isAt(index: number, wanted: Uint32Array): boolean {
    const { words } = this;
    const start = WORDS * index;
    // The last word is random in every version, so that others differ in it.
    return (
      words[start + 3] === wanted[3] &&
      words[start + 2] === wanted[2] &&
      words[start + 1] === wanted[1] &&
      words[start] === wanted[0]
    );
  }

  private insert(wanted: Uint32Array, slot: number): number {
    const index = this.length++;
    this.words.set(wanted, WORDS * index);
    this.slots[slot] = index + 1;
    if (this.length === this.counts.length) this.grow();
    return index;
  }

  private grow(): void {
    const capacity = 2 * this.counts.length;
    this.words = copied(this.words, new Uint32Array(WORDS * capacity));
    this.counts = copied(this.counts, new Float64Array(capacity));
    this.slots = new Uint32Array(2 * capacity);
    const mask = this.slots.length - 1;
    for (let index = 0; index < this.length; index++) {
      let slot = slotOf(this.words, WORDS * index) & mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
      this.slots[slot] = index + 1;
    }
  }
}

/** Eight digits, as two groups of four. */
function wordAt(uuid: string, first: number, second: number): number {
  return halfAt(uuid, first) * 0x10000 + halfAt(uuid, second);
}

function halfAt(uuid: string, at: number): number {
  let half = 0;
  for (let each = at; each < at + 4; each++) half = (half << 4) | (DIGITS[uuid.charCodeAt(each)] ?? 0);
  return half;
}

function slotOf(words: Uint32Array, start: number): number {
  const mixed = Math.imul((words[start + 3] ?? 0) ^ (words[start + 2] ?? 0), SPREAD);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

function textOf(words: Uint32Array): string {
  const digits = Array.from(words, (word) => word.toString(16).padStart(8, '0')).join('');
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join(
    '-',
  );
}

function copied<A extends Uint32Array | Float64Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
