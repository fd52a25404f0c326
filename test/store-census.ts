/** The part of a census that is about the key-value store: each entry is in its bucket and in the index, and all counts are right. */
import assert from 'node:assert/strict';
import * as L from '../core/layout.ts';

interface Entry {
  readonly address: number;
  readonly key: string;
  readonly isLive: boolean;
}

export class StoreInspector {
  readonly #words: Uint32Array;
  readonly #place: (vte: number, place: string) => void;
  #bytes = 0;

  constructor(memory: WebAssembly.Memory, place: (vte: number, place: string) => void) {
    this.#words = new Uint32Array(memory.buffer);
    this.#place = place;
  }

  inspect(): void {
    for (let i = 0; i < L.SPACES_MAX; i++) {
      const space = L.SPACE_TABLE + i * L.SPACE_SIZE;
      const before = this.#bytes;
      const entries = this.#readStripes(space, i);
      const live = entries.filter(({ isLive }) => isLive);
      assert.equal(this.#word(space + L.SPACE_INDEX_LOCK), 0, 'the lock of an index is free');
      assert.equal(this.#word(space + L.SPACE_KEYS), live.length, 'a space counts its keys');
      assert.equal(this.#word(space + L.SPACE_BYTES), this.#bytes - before, 'a space counts its bytes');
      const expiring = live.filter(({ address }) => this.#long(address + L.ENTRY_EXPIRES_MS) !== 0n).length;
      assert.equal(this.#word(space + L.SPACE_EXPIRING), expiring, 'a space counts its keys that expire');
      this.#checkIndex(space, live);
      const isLiveSpace = this.#word(space + L.SPACE_GENERATION) % 2 === 1;
      if (!isLiveSpace) assert.equal(entries.length, 0, 'a space that is gone has no keys');
    }
  }

  /** What is in no space any more, but held by a reader. */
  addOrphan(vte: number): void {
    this.#bytes += 2 ** (this.#word(vte + L.VTE_START) & 31);
  }

  /** When all of them are known. */
  checkBytes(): void {
    assert.equal(this.#word(L.CONTROL_KV_BYTES), this.#bytes, 'the store counts its bytes');
  }

  #word(address: number): number {
    return this.#words[address >>> 2] ?? 0;
  }

  #long(address: number): bigint {
    return BigInt(this.#word(address)) | (BigInt(this.#word(address + 4)) << 32n);
  }

  #byte(address: number): number {
    return (this.#word(address & ~3) >>> ((address & 3) * 8)) & 255;
  }

  #vteOf(address: number): number {
    const granule = this.#long(L.GRANULE_TABLE + ((address >>> L.GRANULE_SHIFT) << 3));
    return (((address >>> Number(granule & 31n)) << L.VTE_SHIFT) + Number(granule >> 32n)) >>> 0;
  }

  #own(vte: number, what: string): number {
    this.#place(vte, what);
    assert.equal(this.#word(vte + L.VTE_OWNER), L.OWNER_STORE, `${what} is the store's`);
    assert.equal(this.#word(vte + L.VTE_WRITE_END), 0, `nobody writes to ${what}`);
    return 2 ** (this.#word(vte + L.VTE_START) & 31);
  }

  #readStripes(space: number, index: number): Entry[] {
    const entries: Entry[] = [];
    for (let i = 0; i < L.STRIPES; i++) {
      const stripe = L.STRIPE_TABLE + (index * L.STRIPES + i) * L.STRIPE_SIZE;
      assert.equal(this.#word(stripe + L.STRIPE_LOCK), 0, 'the lock of a stripe is free');
      const table = this.#word(stripe + L.STRIPE_BUCKETS);
      const before = entries.length;
      if (table !== 0) {
        this.#own(this.#vteOf(table), 'a table');
        const buckets = this.#word(stripe + L.STRIPE_MASK) + 1;
        for (let bucket = 0; bucket < buckets; bucket++) entries.push(...this.#readBucket(table, bucket, buckets, i));
      }
      assert.equal(this.#word(stripe + L.STRIPE_COUNT), entries.length - before, 'a stripe counts its entries');
      this.#checkDirty(space, stripe, entries.slice(before));
    }
    return entries;
  }

  #readBucket(table: number, bucket: number, buckets: number, stripeIndex: number): Entry[] {
    const entries: Entry[] = [];
    for (let entry = this.#word(table + bucket * 4); entry !== 0; entry = this.#word(entry + L.ENTRY_NEXT)) {
      const hash = this.#word(entry + L.ENTRY_HASH);
      assert.equal(hash % L.STRIPES, stripeIndex, 'an entry is in the stripe of its hash');
      assert.equal((hash >>> 8) % buckets, bucket, 'and in the bucket of its hash');
      this.#bytes += this.#own(this.#vteOf(entry), 'an entry');
      const value = this.#word(entry + L.ENTRY_VALUE);
      if (value !== 0) {
        this.#bytes += this.#own(value, 'a value');
        assert.equal(this.#long(value + L.VTE_VERSION), this.#long(entry + L.ENTRY_VERSION), 'a value has its version');
        assert.equal(this.#word(value + L.VTE_READ_END), this.#word(value + L.VTE_END), 'a value can be read');
      }
      entries.push({ address: entry, key: this.#keyOf(entry), isLive: value !== 0 });
    }
    return entries;
  }

  #keyOf(entry: number): string {
    const start = entry + L.ENTRY_TOWER + this.#byte(entry + L.ENTRY_HEIGHT) * 4;
    const length = this.#byte(entry + L.ENTRY_KEY_LENGTH) + this.#byte(entry + L.ENTRY_KEY_LENGTH + 1) * 256;
    return Array.from({ length }, (_, i) => String.fromCharCode(this.#byte(start + i))).join('');
  }

  /** What is dirty is listed once; what was deleted is there only since the disk does not know. */
  #checkDirty(space: number, stripe: number, entries: readonly Entry[]): void {
    const listed = new Set<number>();
    for (const head of [L.STRIPE_DIRTY, L.STRIPE_TAKING]) {
      for (let at = this.#word(stripe + head); at !== 0; at = this.#word(at + L.ENTRY_DIRTY_NEXT)) {
        assert.ok(!listed.has(at), 'what is to be written is listed once');
        listed.add(at);
      }
    }
    for (const { address, isLive } of entries) {
      const flags = this.#byte(address + L.ENTRY_FLAGS);
      assert.equal(listed.has(address), (flags & L.ENTRY_IS_DIRTY) !== 0, 'what is to be written is listed');
      if (!isLive)
        assert.notEqual(flags & (L.ENTRY_IS_DIRTY | L.ENTRY_IS_WRITING), 0, 'a deleted key waits for the disk');
    }
    const isDurable = (this.#word(space + L.SPACE_FLAGS) & L.SPACE_IS_DURABLE) !== 0;
    if (!isDurable) assert.equal(listed.size, 0, 'nothing of a space in memory is to be written');
  }

  /** All live keys are in it in order, at each level a part of them. */
  #checkIndex(space: number, live: readonly Entry[]): void {
    const height = this.#word(space + L.SPACE_INDEX_HEIGHT);
    const sorted = [...live].sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ address }) => address);
    for (let level = 0; level < L.INDEX_HEIGHT_MAX; level++) {
      const found: number[] = [];
      let entry = this.#word(space + L.SPACE_INDEX_TOWER + level * 4);
      while (entry !== 0) {
        found.push(entry);
        entry = this.#word(entry + L.ENTRY_TOWER + level * 4);
      }
      const expected = sorted.filter((address) => this.#byte(address + L.ENTRY_HEIGHT) > level);
      assert.deepEqual(found, expected, `level ${level} of an index has its entries in order`);
      if (level >= height) assert.equal(found.length, 0, 'no level is above the height');
    }
  }
}
