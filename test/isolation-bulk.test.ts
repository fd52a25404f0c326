/** Isolation of the instructions that take ranges: memory.copy in both directions, memory.fill and memory.init. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import * as L from '../core/layout.ts';
import { CALLEE_MEMORY_FAULT, CALLEE_TRAP, OK } from '../core/status.ts';
import {
  type Attack,
  AttackRange,
  MEMORY_LIMIT,
  type Outcome,
  OWN_DATA,
  type Preparation,
  preparedVmas,
  requestVma,
  type Vma,
} from './attack.ts';

const FOUR_GIB = 2 ** 32;
const SEGMENT_BYTES = 256;

type Direction = 'read' | 'write';

/** $p and $n are the range under attack; all else is the attacker's own. */
const FORMS = [
  { name: 'copy to', text: `(memory.copy (local.get $p) (i32.const ${OWN_DATA}) (local.get $n))`, access: 'write' },
  { name: 'copy from', text: `(memory.copy (i32.const ${OWN_DATA}) (local.get $p) (local.get $n))`, access: 'read' },
  { name: 'fill', text: '(memory.fill (local.get $p) (i32.const 0xe7) (local.get $n))', access: 'write' },
  { name: 'init', text: '(memory.init $segment (local.get $p) (i32.const 0) (local.get $n))', access: 'write' },
  { name: 'copy inside', text: '(memory.copy (local.get $p) (local.get $p) (local.get $n))', access: 'write' },
] as const;

let range: AttackRange;

before(async () => {
  const fields = `(data $segment "${'\\e7'.repeat(SEGMENT_BYTES)}")`;
  range = await AttackRange.open(
    FORMS.map(({ text }) => text),
    { fields },
  );
});
after(() => range?.close());

/** Whether [address, address + length) is the attacker's; an empty range may also lie just behind its own bytes. */
function permitted(address: number, length: number, access: Direction, own: readonly Vma[]): boolean {
  if (address + length <= MEMORY_LIMIT) return true;
  return own.some((vma) => vma[access] && address >= vma.start && address + length <= vma.end);
}

/** The ranges of a form, in the order in which they are checked. */
function rangesOf(name: string, address: number): readonly (readonly [number, Direction])[] {
  if (name === 'copy to')
    return [
      [address, 'write'],
      [OWN_DATA, 'read'],
    ];
  if (name === 'copy from')
    return [
      [OWN_DATA, 'write'],
      [address, 'read'],
    ];
  if (name === 'copy inside')
    return [
      [address, 'write'],
      [address, 'read'],
    ];
  return [[address, 'write']];
}

function check(attack: Attack, { status, prepared, request, fault }: Outcome): 'allowed' | 'refused' | 'trap' {
  const form = FORMS[attack.access];
  assert.ok(form !== undefined);
  const { length = 0 } = attack;
  const address = (prepared + attack.pointer) >>> 0;
  const own = [requestVma(request), ...preparedVmas(attack.preparation, prepared)];
  const refused = rangesOf(form.name, address).find(([start, access]) => !permitted(start, length, access, own));
  const what = `${form.name} 0x${address.toString(16)} + ${length}, ${attack.preparation}: ${JSON.stringify(fault)}`;
  if (refused !== undefined) {
    const [start, access] = refused;
    assert.equal(fault?.fault, 'memory-access', what);
    assert.equal(fault.address, `0x${start.toString(16).padStart(8, '0')}`, what);
    assert.equal(fault.access, access, what);
    assert.equal(fault.sizeBytes, undefined, what);
    assert.equal(status, attack.preparation === "the caller's" ? OK : CALLEE_MEMORY_FAULT, what);
    return 'refused';
  }
  if (form.name === 'init' && length > SEGMENT_BYTES) {
    assert.equal(fault?.fault, 'trap', what);
    assert.equal(status, CALLEE_TRAP, what);
    return 'trap';
  }
  assert.equal(fault, undefined, what);
  assert.equal(status, OK, what);
  return 'allowed';
}

async function tryAll(attacks: readonly Attack[]): Promise<{ allowed: number; refused: number; trap: number }> {
  const counts = { allowed: 0, refused: 0, trap: 0 };
  const outcomes = await range.run(attacks);
  for (const [i, attack] of attacks.entries()) {
    const outcome = outcomes[i];
    assert.ok(outcome !== undefined);
    counts[check(attack, outcome)]++;
  }
  return counts;
}

const LENGTHS = [0, 1, 15, 16, 17, 100, 128, 4096, OWN_DATA, MEMORY_LIMIT, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

function attacksAt(preparation: Preparation, addresses: readonly number[], lengths = LENGTHS): Attack[] {
  return FORMS.flatMap((_, access) =>
    addresses.flatMap((pointer) => {
      // And the length that wraps to the address's own start, and to address 1.
      const wrapping = [FOUR_GIB - (pointer >>> 0), FOUR_GIB - (pointer >>> 0) + 1].filter((n) => n < FOUR_GIB);
      return [...lengths, ...wrapping].map((length) => ({ access, preparation, pointer, length }));
    }),
  );
}

test('its own memory, up to the limit and not into the red zone', async () => {
  const counts = await tryAll(
    attacksAt('nothing', [
      ...[0, 1, L.CONTROL_LOCK, L.GRANULE_TABLE, OWN_DATA, OWN_DATA + 1, L.EXECUTOR_TABLE],
      ...[17, 16, 1, 0, -1].map((before) => MEMORY_LIMIT - before),
      MEMORY_LIMIT + L.RED_ZONE,
    ]),
  );
  assert.ok(counts.allowed > 100 && counts.refused > 100 && counts.trap > 10, JSON.stringify(counts));
});

test('tables, homes, ArgBufs of others and both ends of each region', async () => {
  const { victimBase, victimStart, attackerBase, hostBase, headerSize, returned, canaries, entry } = range.targets;
  const first = canaries[0]?.start ?? 0;
  const last = L.GRANULE_LAST * 2 ** L.GRANULE_SHIFT;
  const counts = await tryAll(
    attacksAt('nothing', [
      ...[L.FUNCTION_TABLE, L.POOL_TABLE, L.PD_TABLE, L.VTE_AREA, entry, entry + L.VTE_OWNER, hostBase],
      ...[victimBase, victimStart, victimStart + 4096, attackerBase, attackerBase + headerSize],
      ...[FOUR_GIB - headerSize, FOUR_GIB - headerSize + L.HOME_FAULT_KIND, FOUR_GIB - 1],
      ...[first - 1, first, first + 64, first + 127, returned, returned + 99, returned + 100],
      ...[0x8000_0000 - 16, 0x8000_0000 - 1, 0x8000_0000, last - 1, last, FOUR_GIB - 16],
    ]),
  );
  assert.equal(counts.allowed + counts.trap, 0);
});

test('an ArgBuf of its own: all of it, and not one byte more', async () => {
  const bounds: readonly (readonly [Preparation, number])[] = [
    ['own', 100],
    ['shortened', 60],
    ['empty', 0],
    ['full', 128],
    ['protected to read', 100],
  ];
  for (const [preparation, length] of bounds) {
    const lengths = [...LENGTHS, length - 1, length, length + 1, 128 - length].filter((n) => n >= 0);
    const counts = await tryAll(attacksAt(preparation, [-1, 0, 1, 59, 60, 99, 100, 127, 128, 129], lengths));
    assert.ok(counts.allowed > 5 && counts.refused > 100, `${preparation} ${JSON.stringify(counts)}`);
  }
});

test('an ArgBuf that it has no more', async () => {
  const lost: readonly Preparation[] = ['freed', 'protected to none', 'passed on', 'passed to a callee that faulted'];
  for (const preparation of [...lost, "the caller's" as const]) {
    const counts = await tryAll(attacksAt(preparation, [0, 50, 100]));
    assert.equal(counts.allowed + counts.trap, 0, preparation);
  }
});

test('property: any range', async () => {
  const { victimBase, victimStart, returned, canaries } = range.targets;
  const places = [0, OWN_DATA, MEMORY_LIMIT, victimBase, victimStart, 0x8000_0000, returned, canaries[0]?.start ?? 0];
  const small = fc.integer({ min: -140, max: 140 });
  const pointer = fc.tuple(fc.constantFrom(...places, 0xff00_0000), small).map(([place, distance]) => place + distance);
  const length = fc.oneof(fc.nat(300), fc.constantFrom(...LENGTHS), fc.integer({ min: 0, max: FOUR_GIB - 1 }));
  const preparation = fc.constantFrom<Preparation>('nothing', 'own', 'protected to read', 'freed', 'shortened', 'full');
  const attack = fc
    .record({ access: fc.nat(FORMS.length - 1), preparation, pointer, distance: small, length })
    .map(({ access, preparation, pointer, distance, length }) => {
      return { access, preparation, pointer: (preparation === 'nothing' ? pointer : distance) >>> 0, length };
    });
  const batch = fc.array(attack, { minLength: 200, maxLength: 200 });
  await fc.assert(
    fc.asyncProperty(batch, async (attacks) => void (await tryAll(attacks))),
    { numRuns: 20 },
  );
});
