/** The writer against a disk that fails anywhere, while others go on changing what it writes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  SPACE_DIRTY_BYTES,
  SPACE_DURABLE,
  SPACE_FAILED,
  SPACE_HANDLE_FIRST,
  SPACE_IS_DURABLE,
  SPACE_SIZE,
  SPACE_TABLE,
  SPACE_VERSION,
} from '../../../core/layout.ts';
import { KvFixture } from '../../../test/kv-fixture.ts';
import { takeCensus } from '../../../test/privlib-census.ts';
import { SHARED_WORDS } from './protocol.ts';
import { KvWriter, type WritableDatabase } from './writer.ts';

const ID = 7;
const decoder = new TextDecoder();

/** What is on the disk: keys with their values. A transaction may fail at its nth change, and runs `meanwhile` before each. */
class TestDisk implements WritableDatabase {
  content = new Map<string, { readonly value: string; readonly version: bigint }>();
  version = 0n;
  failsAt = Number.POSITIVE_INFINITY;
  meanwhile: () => void = () => {};
  #changes = 0;

  transaction<T>(operation: () => T): T {
    const before = new Map(this.content);
    const versionBefore = this.version;
    this.#changes = 0;
    try {
      const result = operation();
      this.#change();
      return result;
    } catch (error) {
      this.content = before;
      this.version = versionBefore;
      throw error;
    }
  }

  put(space: number, key: Uint8Array, value: Uint8Array, version: bigint): void {
    this.#change();
    assert.equal(space, ID);
    this.content.set(decoder.decode(key.slice()), { value: decoder.decode(value.slice()), version });
  }

  delete(space: number, key: Uint8Array): void {
    this.#change();
    assert.equal(space, ID);
    this.content.delete(decoder.decode(key.slice()));
  }

  setVersion(_space: number, version: bigint): void {
    this.#change();
    assert.ok(version >= this.version);
    this.version = version;
  }

  #change(): void {
    this.meanwhile();
    if (this.#changes++ >= this.failsAt) throw new Error('the disk is full');
  }
}

class Scene {
  readonly f = new KvFixture();
  readonly disk = new TestDisk();
  readonly said: string[] = [];
  readonly space: number;
  readonly address: number;
  readonly writer: KvWriter;

  constructor() {
    this.space = this.f.createSpace('s', { flags: SPACE_IS_DURABLE });
    const index = this.space - SPACE_HANDLE_FIRST;
    this.address = SPACE_TABLE + index * SPACE_SIZE;
    const shared = new Int32Array(new SharedArrayBuffer(4 * SHARED_WORDS));
    this.writer = new KvWriter(this.f.space, shared, this.disk, (level, message) =>
      this.said.push(`${level} ${message}`),
    );
    this.writer.bind({ id: ID, name: 's', index, isDurable: true });
  }

  get durable(): bigint {
    return this.f.view.getBigUint64(this.address + SPACE_DURABLE, true);
  }

  get version(): bigint {
    return this.f.view.getBigUint64(this.address + SPACE_VERSION, true);
  }

  get isFailed(): boolean {
    return this.f.word(this.address + SPACE_FAILED) !== 0;
  }

  /** Keys in memory, as the disk would have them. */
  inMemory(): Map<string, string> {
    const found = new Map<string, string>();
    for (const key of KEYS) {
      const value = this.f.read(this.space, key, this.f.host);
      if (typeof value === 'string') found.set(key, value);
    }
    return found;
  }

  onDisk(): Map<string, string> {
    return new Map([...this.disk.content].map(([key, { value }]) => [key, value]));
  }

  change([key, length]: Change): void {
    if (length === 0) this.f.delete(this.space, key, this.f.host);
    else this.f.put(this.space, key, key.repeat(length), this.f.host);
  }
}

/** So many that some share a stripe. */
const KEYS = Array.from({ length: 300 }, (_, i) => `key${i}`);
/** A key, and how long its value is; 0: it is deleted. */
type Change = readonly [key: string, length: number];
const change: fc.Arbitrary<Change> = fc.tuple(fc.constantFrom(...KEYS), fc.nat(40));

test('whatever fails and whoever writes meanwhile, what is said to be on disk is there', () => {
  const round = fc.record({
    /** Of all keys, where it is not 0; then of some. */
    all: fc.nat(5),
    before: fc.array(change, { maxLength: 60 }),
    meanwhile: fc.array(change, { maxLength: 20 }),
    failsAt: fc.option(fc.nat(300), { nil: Number.POSITIVE_INFINITY }),
  });
  fc.assert(
    fc.property(fc.array(round, { minLength: 1, maxLength: 6 }), (rounds) => {
      const scene = new Scene();
      const { disk, writer, f } = scene;
      for (const { all, before, meanwhile, failsAt } of rounds) {
        if (all !== 0) for (const key of KEYS) scene.change([key, all]);
        for (const each of before) scene.change(each);
        const durable = scene.durable;
        const upTo = scene.version;
        const must = scene.inMemory();
        const rest = [...meanwhile];
        disk.failsAt = failsAt;
        disk.meanwhile = () => {
          const next = rest.shift();
          if (next !== undefined) scene.change(next);
        };
        const isWritten = writer.writeBatch();
        disk.meanwhile = () => {};
        assert.equal(scene.isFailed, !isWritten);
        assert.equal(scene.durable, isWritten ? upTo : durable);
        if (!isWritten) continue;
        assert.equal(disk.version, upTo);
        // What nobody has changed meanwhile is on disk as it was; the rest is as it was or newer.
        const touched = new Set(meanwhile.map(([key]) => key));
        const onDisk = scene.onDisk();
        for (const key of KEYS) if (!touched.has(key)) assert.equal(onDisk.get(key), must.get(key), key);
      }
      disk.failsAt = Number.POSITIVE_INFINITY;
      assert.ok(writer.writeBatch());
      assert.deepEqual(new Map([...scene.onDisk()].sort()), new Map([...scene.inMemory()].sort()));
      assert.equal(scene.durable, scene.version);
      assert.equal(f.word(scene.address + SPACE_DIRTY_BYTES), 0);
      takeCensus(f.memory);
    }),
    { numRuns: 40 },
  );
});

test('a disk that fails is said once, and again when it takes what is written', () => {
  const scene = new Scene();
  scene.change(['key1', 3]);
  scene.disk.failsAt = 0;
  for (let i = 0; i < 3; i++) assert.equal(scene.writer.writeBatch(), false);
  assert.equal(scene.f.put(scene.space, 'key2', 'x', scene.f.host) < 65_536n, true, 'nothing is taken meanwhile');
  assert.ok(scene.f.word(scene.address + SPACE_DIRTY_BYTES) > 0);
  scene.disk.failsAt = Number.POSITIVE_INFINITY;
  assert.equal(scene.writer.finish(), true);
  assert.deepEqual([...scene.onDisk()], [['key1', 'key1'.repeat(3)]]);
  assert.equal(scene.said.length, 2);
  assert.match(scene.said[0] ?? '', /^error .*the disk is full/);
  assert.match(scene.said[1] ?? '', /^info .*again/);
});

test('a space that was forgotten is written no more', () => {
  const scene = new Scene();
  scene.change(['key1', 3]);
  scene.writer.forget('s');
  assert.equal(scene.writer.writeBatch(), true);
  assert.equal(scene.disk.content.size, 0);
  assert.equal(scene.f.privLib.kvSpaceDrop(scene.space, scene.f.host), 0);
  takeCensus(scene.f.memory);
});
