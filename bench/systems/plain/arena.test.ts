import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ARENA_SIZE, Arenas } from './arena.ts';

function makeArenas(count: number): { readonly memory: WebAssembly.Memory; readonly arenas: Arenas } {
  const memory = new WebAssembly.Memory({ initial: 1 });
  return { memory, arenas: new Arenas(memory, count) };
}

test('arenas lie behind the memory of the module, and do not overlap', () => {
  const { memory, arenas } = makeArenas(3);
  const contexts = [arenas.take(), arenas.take(), arenas.take()].map(({ context }) => context);
  assert.deepEqual(
    contexts.toSorted((a, b) => a - b),
    [0, 1, 2].map((i) => 65536 + i * ARENA_SIZE),
  );
  assert.equal(memory.buffer.byteLength, 65536 + 3 * ARENA_SIZE);
  assert.equal(arenas.hasFree, false);
  assert.throws(() => arenas.take());
});

test('the arena that was given back last is taken first', () => {
  const { arenas } = makeArenas(2);
  const first = arenas.take();
  arenas.take();
  arenas.give(first);
  assert.equal(arenas.take(), first);
});

test('ArgBufs have their length, grow up to a power of two, and what comes in is zero', () => {
  const { memory, arenas } = makeArenas(1);
  const arena = arenas.take();
  const bytes = new Uint8Array(memory.buffer);
  const address = arena.allocate(300);
  assert.equal(address % 64, 0);
  assert.equal(arena.lengthOf(address), 300);
  bytes.fill(7, address, address + 512);
  assert.equal(arena.resize(address, 200), true);
  assert.equal(arena.resize(address, 512), true);
  assert.deepEqual([bytes[address + 199], bytes[address + 200], bytes[address + 511]], [7, 0, 0]);
  assert.equal(arena.resize(address, 513), false);
  assert.equal(arena.lengthOf(address), 512);
});

test('what an invocation wrote is not in an ArgBuf of the next', () => {
  const { memory, arenas } = makeArenas(1);
  const bytes = new Uint8Array(memory.buffer);
  const arena = arenas.take();
  const address = arena.allocate(1000);
  bytes.fill(9, address, address + 1000);
  arenas.give(arena);
  const next = arenas.take().allocate(1000);
  assert.equal(next, address);
  assert.ok(bytes.subarray(next, next + 1000).every((byte) => byte === 0));
});

test('versions of all sizes are kept, and what does not fit an arena is refused', () => {
  const { arenas } = makeArenas(1);
  const arena = arenas.take();
  const address = arena.allocate(8);
  for (const version of [65_536n, 2n ** 32n - 1n, 2n ** 53n + 1n]) {
    arena.setVersion(address, version);
    assert.equal(arena.versionOf(address), version);
  }
  assert.equal(arena.allocate(ARENA_SIZE), 0);
});
