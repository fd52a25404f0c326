/**
 * Isolation, one access at a time: each instruction that takes a pointer, with static offsets of each kind that the guard
 * tells apart, aimed at everything that a function may not touch. What it may touch is tried too, at its very edges, so
 * that a guard that refuses everything fails here as well.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import * as L from '../core/layout.ts';
import { AccessAttacks } from './access-attacks.ts';
import { MEMORY_LIMIT, type Preparation } from './attack.ts';
import { MEMORY_FORMS } from './memory-forms.ts';

const FOUR_GIB = 2 ** 32;
const HOME_END = MEMORY_LIMIT + L.RED_ZONE;

/** Static offsets: none, inside the red zone, at its edge, below the memory limit, at it, and as large as they get. */
const OFFSETS: readonly number[] = [
  0,
  1,
  L.RED_ZONE - 16,
  L.RED_ZONE - 1,
  L.RED_ZONE,
  MEMORY_LIMIT - 1,
  MEMORY_LIMIT,
  0x8000_0000,
  0xffff_ffff,
];

let attacks: AccessAttacks;

before(async () => {
  attacks = await AccessAttacks.open(MEMORY_FORMS, OFFSETS, MEMORY_LIMIT);
});
after(() => attacks?.close());

test('its own memory, to the last byte, whatever PrivLib has at the same numbers', async () => {
  const tables = [L.CONTROL_MAGIC, L.CONTROL_LOCK, L.NULL_VTE, L.GRANULE_TABLE, L.EXECUTOR_TABLE + L.EXECUTOR_CURRENT];
  const counts = await attacks.tryAll(
    attacks.at('nothing', (size) => [0, ...tables, MEMORY_LIMIT - size, MEMORY_LIMIT - size + 1, HOME_END - size]),
  );
  assert.ok(counts.allowed > 2000, JSON.stringify(counts));
});

test('the end of the home', async () => {
  const counts = await attacks.tryAll(
    attacks.at('nothing', (size) => [HOME_END - size + 1, HOME_END - 1, HOME_END, HOME_END + 1, HOME_END + L.RED_ZONE]),
  );
  assert.ok(counts.refused > 3000, JSON.stringify(counts));
});

test("PrivLib's tables", async () => {
  const { entry } = attacks.targets;
  const tables = [L.FUNCTION_TABLE + L.FUNCTION_SIZE, L.POOL_TABLE + L.POOL_SIZE, L.PD_TABLE, L.VTE_AREA];
  const entries = [entry + L.VTE_OWNER, entry + L.VTE_WRITE_END, entry + L.VTE_SIZE + L.VTE_READ_END];
  const { allowed } = await attacks.tryAll(attacks.at('nothing', () => [...tables, ...entries, L.HOME_AREA - 1]));
  assert.equal(allowed, 0);
});

test('homes: its own by its absolute address, its header, that of the victim and of the host', async () => {
  const { victimBase, victimStart, attackerBase, hostBase, headerSize } = attacks.targets;
  const header = [L.HOME_PD, L.HOME_FAULT_KIND, L.HOME_MEMORY_PAGES, L.HOME_GRANT_TABLE_A, L.HOME_GLOBALS];
  const { allowed } = await attacks.tryAll(
    attacks.at('nothing', (size) => [
      ...header.map((offset) => victimBase + offset),
      ...[0, 4096, MEMORY_LIMIT - size].map((offset) => victimStart + offset),
      ...[L.HOME_EXECUTOR, L.HOME_MEMORY_PAGES, headerSize].map((offset) => attackerBase + offset),
      // Just below its address 0, as the home has it.
      ...[...header, headerSize - 1].map((offset) => FOUR_GIB - headerSize + offset),
      hostBase,
    ]),
  );
  assert.equal(allowed, 0);
});

test("another's ArgBufs, one that it gave away, and those that nobody has", async () => {
  const { returned, canaries } = attacks.targets;
  const [first, large] = [canaries[0]?.start ?? 0, canaries.at(-1)];
  assert.ok(large !== undefined);
  const neverCarved = first - (first % 2 ** L.GRANULE_SHIFT) + 2 ** 23;
  const { allowed } = await attacks.tryAll(
    attacks.at('nothing', (size) => [
      ...[-1, 0, 64, 128 - size, 128 - size + 1].map((offset) => first + offset),
      ...[0, 100 - size + 1, 100, 127].map((offset) => returned + offset),
      ...[0, large.length - size].map((offset) => large.start + offset),
      neverCarved,
    ]),
  );
  assert.equal(allowed, 0);
});

test('both ends of each region, and beyond 32 bits', async () => {
  const last = L.GRANULE_LAST * 2 ** L.GRANULE_SHIFT;
  const { victimBase, canaries } = attacks.targets;
  const { allowed } = await attacks.tryAll(
    attacks.at('nothing', (size) => [
      ...[-size, -size + 1, -1, 0].map((offset) => 0x8000_0000 + offset),
      ...[-size, -size + 1, -1, 0].map((offset) => last + offset),
      ...[-size, -size + 1, -1].map((offset) => FOUR_GIB + offset),
      // What a 32-bit sum would make of these is in its own home, or in what it must not touch.
      ...[0, 64, MEMORY_LIMIT - size, victimBase, canaries[0]?.start ?? 0].map((offset) => FOUR_GIB + offset),
      FOUR_GIB + 0x7fff_fffe,
    ]),
  );
  assert.equal(allowed, 0);
});

test('an ArgBuf of its own: all of it, and not one byte more', async () => {
  const bounds: readonly (readonly [Preparation, number])[] = [
    ['own', 100],
    ['shortened', 60],
    ['empty', 0],
    ['full', 128],
  ];
  for (const [preparation, length] of bounds) {
    const counts = await attacks.tryAll(
      attacks.at(preparation, (size) => [0, length - size, length - size + 1, length, -1, 128 - size + 1, 128]),
    );
    assert.ok(counts.refused > 1000, JSON.stringify(counts));
    assert.equal(counts.allowed > 500, length > 0, JSON.stringify(counts));
  }
});

test('an ArgBuf that it has no more, or not with this permission', async () => {
  const reading = await attacks.tryAll(attacks.at('protected to read', (size) => [0, 100 - size, 100 - size + 1]));
  assert.ok(reading.allowed > 100 && reading.refused > 1000, JSON.stringify(reading));
  const lost: readonly Preparation[] = ['freed', 'protected to none', 'passed on', 'passed to a callee that faulted'];
  for (const preparation of lost) {
    const { allowed } = await attacks.tryAll(attacks.at(preparation, (size) => [0, 50, 100 - size]));
    assert.equal(allowed, 0, preparation);
  }
});

test("the caller's ArgBuf, from another PD of the same function", async () => {
  const { allowed } = await attacks.tryAll(attacks.at("the caller's", (size) => [0, 50, 100 - size]));
  assert.equal(allowed, 0);
});

test('property: any pointer with any static offset', async () => {
  const { victimBase, attackerBase, headerSize, returned, canaries, entry } = attacks.targets;
  const places = [0, MEMORY_LIMIT, HOME_END, victimBase, attackerBase + headerSize, entry, 0x8000_0000, returned];
  const near = fc
    .tuple(fc.constantFrom(...places, canaries[0]?.start ?? 0, 0xff00_0000), fc.integer({ min: -300, max: 300 }))
    .map(([place, distance]) => place + distance);
  const address = fc.oneof(near, fc.integer({ min: 0, max: FOUR_GIB - 1 }));
  const preparation = fc.constantFrom<Preparation>('nothing', 'own', 'protected to read', 'freed', 'shortened', 'full');
  const attack = fc
    .record({
      access: fc.nat(attacks.count - 1),
      preparation,
      address,
      distance: fc.integer({ min: -140, max: 140 }),
    })
    .map(({ access, preparation, address, distance }) => {
      const offset = attacks.offsetOf(access);
      return { access, preparation, pointer: ((preparation === 'nothing' ? address : distance) - offset) >>> 0 };
    });
  const batch = fc.array(attack, { minLength: 200, maxLength: 200 });
  await fc.assert(
    fc.asyncProperty(batch, async (some) => void (await attacks.tryAll(some))),
    { numRuns: 30 },
  );
});
