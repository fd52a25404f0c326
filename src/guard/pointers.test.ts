/** What is found out about the pointers of a body: where each comes from, and which accesses are about the same one. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeModule } from './decode.ts';
import { decodeExpression, InstructionList, WORD_A, WORDS } from './instructions.ts';
import { accessOf, OP_CALL_INDIRECT, OP_GLOBAL_SET, opcodeName } from './opcodes.ts';
import { FROM_ACCESS, FROM_CONSTANT, FROM_LOCAL, FROM_STACK } from './pointer-sites.ts';
import { Pointers } from './pointers.ts';
import { Reader } from './reader.ts';
import { assemble } from './testing-wat.ts';
import { readValueType } from './value-types.ts';

const LIMIT = 65_536;

interface Found {
  readonly pointers: Pointers;
  readonly list: InstructionList;
  /** Sites of the accesses of memory, in their order; 0 for those that have none. */
  readonly sites: readonly number[];
}

/** Looks at a function of three pointers and a number. Global 0 is the stack pointer. */
function find(body: string): Found {
  const bytes = assemble(`(module (memory 1) (tag $tag)
    (type $unary (func (param i32) (result i32)))
    (type $nothing (func))
    (global $sp (mut i32) (i32.const 1024)) (global $g (mut i32) (i32.const 0)) (global $w (mut i64) (i64.const 0))
    (table 1 funcref)
    (func $f (param $p i32) (param $q i32) (param $r i32) (param $n i32) ${body})
    (func $call (param $x i32) (result i32) (local.get $x))
    (func $pair (result i32 i32) (i32.const 1) (i32.const 2))
    (func $none))`);
  const module = decodeModule(bytes);
  const first = module.bodies[0] ?? assert.fail();
  const reader = new Reader(bytes, first.start, first.end);
  let localCount = 4;
  for (let groups = reader.u32(); groups > 0; groups -= 1) {
    localCount += reader.u32();
    readValueType(reader);
  }
  const list = new InstructionList();
  decodeExpression(reader, list, { typeCount: module.types.length, where: () => '' });
  const pointers = new Pointers(module, LIMIT, 0);
  pointers.find(list, 0, localCount, 0);
  const sites = Array.from({ length: list.count }, (_, i) => i)
    .filter((i) => accessOf(list.words[i * WORDS] ?? -1) !== undefined)
    .map((i) => pointers.accesses[i] ?? 0);
  return { pointers, list, sites };
}

/** For each access the number of its pointer, in the order in which they appear: 0, 1, 2 … */
function valuesOf({ pointers, sites }: Found): number[] {
  const seen: number[] = [];
  return sites.map((site) => {
    const value = pointers.sites.value(site);
    if (!seen.includes(value)) seen.push(value);
    return seen.indexOf(value);
  });
}

/** For each access `LOW-HIGH` of its group, with `w` and how far it writes. */
function groupsOf({ pointers, sites }: Found): string[] {
  return sites.map((site) => {
    const high = pointers.sites.groupWriteHigh(site);
    const written = high > 0 ? ` w${pointers.sites.groupWriteLow(site)}-${high}` : '';
    return `${pointers.sites.groupLow(site)}-${pointers.sites.groupHigh(site)}${written}`;
  });
}

const FROM: ReadonlyMap<number, string> = new Map([
  [FROM_LOCAL, 'local'],
  [FROM_STACK, 'stack'],
  [FROM_CONSTANT, 'constant'],
  [FROM_ACCESS, 'access'],
]);

/** For each access where its pointer comes from. */
function fromOf({ pointers, sites }: Found): string[] {
  return sites.map((site) => {
    if (site === 0) return 'nowhere';
    return `${FROM.get(pointers.sites.from(site))}${pointers.sites.isLate(site) ? ', late' : ''}`;
  });
}

const get = (local: string, offset = 0): string => `(drop (i32.load offset=${offset} (local.get ${local})))`;
const put = (local: string, offset = 0): string => `(i32.store offset=${offset} (local.get ${local}) (i32.const 7))`;
const CALL = '(call $none)';

describe('values', () => {
  test('a pointer is the same until it is set, and its copies are', () => {
    assert.deepEqual(valuesOf(find(`${get('$p')} ${get('$q')} ${get('$p')}`)), [0, 1, 0]);
    assert.deepEqual(valuesOf(find(`${get('$p')} (local.set $q (local.get $p)) ${get('$q')} ${get('$p')}`)), [0, 0, 0]);
    assert.deepEqual(
      valuesOf(find(`(drop (i32.load (local.tee $q (local.get $p)))) ${get('$p')} ${get('$q')}`)),
      [0, 0, 0],
    );
    assert.deepEqual(valuesOf(find(`${get('$p')} (local.set $p (local.get $q)) ${get('$p')} ${get('$q')}`)), [0, 1, 1]);
    assert.deepEqual(
      valuesOf(find(`${get('$p')} (local.set $p (i32.add (local.get $p) (i32.const 4))) ${get('$p')}`)),
      [0, 1],
    );
    // Two that are equal, without it being known.
    assert.deepEqual(
      valuesOf(
        find(
          `(local.set $q (i32.load (i32.const 4))) (local.set $r (i32.load (i32.const 4))) ${get('$q')} ${get('$r')}`,
        ),
      ).slice(2),
      [1, 2],
    );
    // Calls and accesses change no local.
    assert.deepEqual(valuesOf(find(`${get('$p')} ${CALL} ${put('$q')} ${get('$p')}`)), [0, 1, 0]);
  });

  test('what is set where paths part is not known where they meet', () => {
    const set = '(local.set $p (local.get $q))';
    for (const text of [
      `(block ${set})`,
      `(block (br_if 0 (local.get $n)) ${set})`,
      `(if (local.get $n) (then ${set}))`,
      `(if (local.get $n) (then) (else ${set}))`,
      `(if (local.get $n) (then ${set}) (else ${set}))`,
      `(loop ${set})`,
      `(block (block (block ${set})))`,
      `(try (do ${set}) (catch_all))`,
      `(try (do) (catch_all ${set}))`,
      `(block (block (br_table 0 1 (local.get $n))) ${set})`,
      `(block ${set} (br 0))`,
    ]) {
      const [before, behind, again] = valuesOf(find(`${get('$p')} ${text} ${get('$p')} ${get('$p')}`));
      assert.notEqual(behind, before, text);
      assert.equal(again, behind, text);
    }
    // What was set before stays.
    for (const text of [
      '(block (br_if 0 (local.get $n)))',
      `(if (local.get $n) (then ${CALL}) (else (local.set $q (local.get $r))))`,
      '(loop (local.set $q (local.get $r)) (br_if 0 (local.get $n)))',
      '(try (do (throw $tag)) (catch $tag) (catch_all))',
    ]) {
      assert.deepEqual(valuesOf(find(`${get('$p')} ${text} ${get('$p')}`)), [0, 0], text);
    }
  });

  test('each part of a block has its own', () => {
    const set = '(local.set $p (local.get $q))';
    const [, then, otherwise, behind] = valuesOf(
      find(`${get('$p')} (if (local.get $n) (then ${set} ${get('$p')}) (else ${get('$p')})) ${get('$p')}`),
    );
    assert.notEqual(then, otherwise);
    assert.notEqual(behind, then);
    assert.notEqual(behind, otherwise, 'behind the `if` the pointer may be that of the other part');
    assert.deepEqual(
      valuesOf(find(`${get('$p')} (try (do ${set} ${get('$p')}) (catch $tag ${get('$p')}) (catch_all ${get('$p')}))`)),
      [0, 1, 2, 3],
    );
    assert.deepEqual(
      valuesOf(find(`(block ${set} ${get('$p')} ${get('$q')}) ${get('$p')} ${get('$q')}`)),
      [0, 0, 1, 0],
    );
  });

  test('a loop that sets a pointer has another one from its header on', () => {
    const next = '(local.set $p (i32.add (local.get $p) (i32.const 4)))';
    assert.deepEqual(
      valuesOf(find(`${get('$p')} (loop ${get('$p')} ${next} ${get('$p')} (br_if 0 (local.get $n))) ${get('$p')}`)),
      [0, 1, 2, 3],
    );
    assert.deepEqual(
      valuesOf(find(`${get('$p')} (loop ${get('$p')} (loop ${get('$p')} ${next} (br_if 0 (local.get $n))))`)),
      [0, 1, 2],
    );
    assert.deepEqual(valuesOf(find(`${get('$p')} (loop ${get('$p')} (loop ${get('$q')})) ${get('$p')}`)), [0, 0, 1, 0]);
    // Set by a copy, and before the loop only.
    assert.deepEqual(
      valuesOf(find(`(local.set $q (local.get $p)) (loop ${get('$p')} ${get('$q')} ${next} (br_if 0 (local.get $n)))`)),
      [0, 1],
    );
  });

  test('sums with constants have the root of what they are at a distance of', () => {
    const rootsOf = (sum: string): boolean => {
      const { pointers, sites } = find(`(local.set $q ${sum}) ${get('$p')} ${get('$q')}`);
      const [p = 0, q = 0] = sites;
      assert.notEqual(pointers.sites.value(p), pointers.sites.value(q));
      return pointers.kin(p) === pointers.kin(q);
    };
    for (const sum of [
      '(i32.add (local.get $p) (i32.const 8))',
      '(i32.add (i32.const 8) (local.get $p))',
      '(i32.sub (local.get $p) (i32.const 8))',
      '(i32.sub (i32.add (local.get $p) (i32.const 8)) (i32.const 4))',
      '(local.tee $r (i32.add (local.get $p) (i32.const 8)))',
    ]) {
      assert.ok(rootsOf(sum), sum);
    }
    for (const sum of [
      '(i32.sub (i32.const 8) (local.get $p))',
      '(i32.add (local.get $p) (local.get $n))',
      '(i32.add (i32.const 8) (i32.const 4))',
      '(i32.mul (local.get $p) (i32.const 1))',
      '(i32.and (local.get $p) (i32.const -4))',
      '(i32.load (local.get $r))',
    ]) {
      const { pointers, sites } = find(`(local.set $q ${sum}) ${get('$p')} ${get('$q')}`);
      assert.notEqual(pointers.kin(sites.at(-2) ?? 0), pointers.kin(sites.at(-1) ?? 0), sum);
    }
  });

  test('of the stack pointer', () => {
    const isStack = (pointer: string): boolean => {
      const { pointers, sites } = find(`(local.set $p ${pointer}) ${get('$p')}`);
      return pointers.isStack(sites[0] ?? 0);
    };
    assert.ok(isStack('(global.get $sp)'));
    assert.ok(isStack('(i32.sub (global.get $sp) (i32.const 64))'));
    assert.ok(isStack('(local.tee $q (i32.add (i32.sub (global.get $sp) (i32.const 64)) (i32.const 8)))'));
    assert.ok(!isStack('(global.get $g)'));
    assert.ok(!isStack('(i32.and (global.get $sp) (i32.const -16))'));
    assert.ok(!isStack('(local.get $q)'));
    // All that is written at a pointer into the stack, wherever.
    const { pointers, sites } = find(
      `(local $f i32) (local.set $f (global.get $sp)) ${get('$f')} ${put('$f', 8)} ${CALL} ${put('$f', 100)} ${put('$q', 500)}`,
    );
    assert.equal(pointers.sites.writeHigh(sites[0] ?? 0), 104);
  });
});

describe('groups', () => {
  test('accesses of one pointer in one stretch', () => {
    assert.deepEqual(groupsOf(find(`${get('$p')} ${get('$p', 8)} ${get('$p', 4)}`)), ['0-12', '0-12', '0-12']);
    assert.deepEqual(groupsOf(find(`${get('$p', 8)} ${get('$q', 100)} ${get('$p', 4)}`)), ['4-12', '100-104', '4-12']);
    assert.deepEqual(groupsOf(find(`${get('$p')} (local.set $q (local.get $p)) ${get('$q', 8)}`)), ['0-12', '0-12']);
    assert.deepEqual(groupsOf(find(`${get('$p')} ${put('$p', 8)} ${put('$p', 4)} ${get('$p', 20)}`)), [
      '0-24 w4-12',
      '0-24 w4-12',
      '0-24 w4-12',
      '0-24 w4-12',
    ]);
    const { pointers, sites } = find(`${get('$p')} ${get('$q')} ${get('$p')}`);
    assert.deepEqual(
      sites.map((site) => pointers.sites.groupAccesses(site)),
      [2, 1, 2],
    );
  });

  test('no more than 255 bytes, and none that are far', () => {
    assert.deepEqual(groupsOf(find(`${get('$p')} ${get('$p', 251)}`)), ['0-255', '0-255']);
    assert.deepEqual(groupsOf(find(`${get('$p')} ${get('$p', 252)}`)), ['0-4', '252-256']);
    assert.deepEqual(groupsOf(find(`${get('$p')} ${get('$p', 252)} ${get('$p', 300)} ${get('$p', 8)}`)), [
      '0-4',
      '252-304',
      '252-304',
      '8-12',
    ]);
    assert.deepEqual(groupsOf(find(`${get('$p', 4000)} ${get('$p', 4092)} ${get('$p', 4093)}`)), [
      '4000-4096',
      '4000-4096',
      '4093-4097',
    ]);
    assert.deepEqual(fromOf(find(`${get('$p', 4092)} ${get('$p', 4093)} ${get('$p', LIMIT)}`)), [
      'local',
      'stack',
      'access',
    ]);
  });

  test('branches, calls, loops and the ends of blocks end a stretch', () => {
    for (const text of [
      CALL,
      '(drop (call_indirect (type $unary) (i32.const 1) (i32.const 0)))',
      '(block (br_if 0 (local.get $n)))',
      '(if (local.get $n) (then))',
      '(if (local.get $n) (then) (else))',
      '(loop)',
      '(block)',
      '(try (do) (catch_all))',
      '(block (block (br_table 0 1 (local.get $n))))',
      '(if (local.get $n) (then (return)))',
    ]) {
      assert.deepEqual(groupsOf(find(`${get('$p')} ${text} ${get('$p', 8)}`)), ['0-4', '8-12'], text);
    }
    for (const text of [
      put('$q'),
      '(local.set $n (i32.const 1))',
      '(global.set $g (i32.const 1))',
      '(memory.fill (local.get $q) (i32.const 1) (i32.const 4))',
      '(drop (memory.grow (i32.const 1)))',
      '(drop (i32.div_u (local.get $n) (local.get $q)))',
    ]) {
      const groups = groupsOf(find(`${get('$p')} ${text} ${get('$p', 8)}`));
      assert.deepEqual([groups[0], groups.at(-1)], ['0-12', '0-12'], text);
    }
    // Into a block goes one path only.
    assert.deepEqual(groupsOf(find(`${get('$p')} (block ${get('$p', 8)})`)), ['0-12', '0-12']);
    assert.deepEqual(groupsOf(find(`(if (local.get $n) (then ${get('$p')}) (else ${get('$p', 8)}))`)), ['0-4', '8-12']);
    assert.deepEqual(groupsOf(find(`(loop ${get('$p')} (br_if 0 (local.get $n)) ${get('$p', 8)})`)), ['0-4', '8-12']);
    assert.deepEqual(
      groupsOf(find(`(try (do ${get('$p')}) (catch $tag ${get('$p', 8)}) (catch_all ${get('$p', 16)}))`)),
      ['0-4', '8-12', '16-20'],
    );
  });
});

describe('where a pointer comes from', () => {
  test('a local, the stack, a constant', () => {
    assert.deepEqual(fromOf(find(get('$p'))), ['local']);
    assert.deepEqual(fromOf(find('(drop (i32.load (local.tee $p (local.get $q))))')), ['local']);
    assert.deepEqual(fromOf(find('(drop (i32.load (i32.add (local.get $p) (i32.const 4))))')), ['stack']);
    assert.deepEqual(fromOf(find('(drop (i32.load (i32.load (local.get $p))))')), ['local', 'stack']);
    assert.deepEqual(fromOf(find('(drop (i32.load (global.get $g)))')), ['stack']);
    assert.deepEqual(fromOf(find('(drop (i32.load (call $call (i32.const 1))))')), ['stack']);
    assert.deepEqual(fromOf(find('(drop (i32.load (block (result i32) (local.get $p))))')), ['stack']);
    const { pointers, sites } = find(
      '(drop (i32.load offset=4 (i32.const 100))) (i32.store (i32.const -4) (i32.const 1))',
    );
    assert.deepEqual(fromOf({ pointers, sites } as Found), ['constant', 'access']);
    assert.equal(pointers.sites.source(sites[0] ?? 0), 100);
    // Up to the end of the memory, the access included.
    assert.deepEqual(
      fromOf(find(`(drop (i32.load (i32.const ${LIMIT - 4}))) (drop (i32.load (i32.const ${LIMIT - 3})))`)),
      ['constant', 'access'],
    );
    assert.deepEqual(fromOf(find('(drop (memory.atomic.notify (local.get $p) (i32.const 1)))')), ['local']);
    assert.deepEqual(fromOf(find('(drop (memory.atomic.wait32 (local.get $p) (i32.const 1) (i64.const 1)))')), [
      'nowhere',
    ]);
  });

  test('the instruction that leaves it', () => {
    const { pointers, list, sites } = find(
      '(i32.store (local.get $p) (i32.add (local.get $q) (i32.load (local.get $r))))',
    );
    const left = sites.map((site) => [...pointers.leaves].indexOf(site));
    assert.deepEqual(
      left.map((at) => [opcodeName(list.words[at * WORDS] ?? -1), list.words[at * WORDS + WORD_A]]),
      [
        ['local.get', 2],
        ['local.get', 0],
      ],
    );
  });

  test('late, when there are calls between pointer and access, or another check of its root', () => {
    const store = (value: string): string => `(i32.store (local.get $p) ${value})`;
    assert.deepEqual(fromOf(find(store('(call $call (i32.const 1))'))), ['local, late']);
    assert.deepEqual(fromOf(find(store('(i32.load offset=8 (local.get $p))'))), ['local', 'local']);
    assert.deepEqual(fromOf(find(store('(i32.load offset=300 (local.get $p))'))), ['local', 'local, late']);
    assert.deepEqual(fromOf(find(store('(i32.load (i32.add (local.get $p) (i32.const 4)))'))), [
      'stack',
      'local, late',
    ]);
    assert.deepEqual(fromOf(find(store('(i32.load (local.get $q))'))), ['local', 'local']);
    // Late, and the local holds another value then.
    const set = '(local.set $p (local.get $q))';
    assert.deepEqual(fromOf(find(store(`(block (result i32) ${set} (i32.const 1))`))), ['local']);
    assert.deepEqual(fromOf(find(store(`(block (result i32) ${set} (call $call (i32.const 1)))`))), ['access, late']);
    assert.deepEqual(
      fromOf(find(store(`(block (result i32) (local.set $p (local.get $p)) (call $call (i32.const 1)))`))),
      ['access, late'],
    );
    // It has no local, and cannot be put back.
    const sum = '(i32.store (i32.add (local.get $p) (i32.const 4)) (call $call (i32.const 1)))';
    assert.deepEqual(fromOf(find(sum)), ['access, late']);
    assert.deepEqual(fromOf(find('(i32.store (local.tee $p (local.get $q)) (call $call (i32.const 1)))')), [
      'access, late',
    ]);
  });

  test('code that is never reached has no sites', () => {
    assert.deepEqual(fromOf(find(`(return) ${get('$p')}`)), ['nowhere']);
    assert.deepEqual(fromOf(find(`(block (br 0) ${get('$p')} (block ${get('$p')})) ${get('$p')}`)), [
      'nowhere',
      'nowhere',
      'local',
    ]);
    assert.deepEqual(fromOf(find(`(if (local.get $n) (then (unreachable) ${get('$p')}) (else ${get('$p')}))`)), [
      'nowhere',
      'local',
    ]);
  });
});

describe('base below an operand', () => {
  /** `BASES before NAME` of each instruction that has some before it, and whether each global.set and call has its own. */
  function basesOf(body: string): { readonly before: string[]; readonly has: number[] } {
    const { pointers, list } = find(body);
    const places = Array.from({ length: list.count }, (_, i) => i);
    const word = (i: number): number => list.words[i * WORDS] ?? -1;
    return {
      before: places
        .filter((i) => (pointers.bases[i] ?? 0) > 0)
        .map((i) => `${pointers.bases[i]} before ${opcodeName(word(i))}`),
      has: places
        .filter((i) => [OP_GLOBAL_SET, OP_CALL_INDIRECT].includes(word(i)))
        .map((i) => pointers.hasBase[i] ?? 0),
    };
  }

  test('where the expression of the operand begins', () => {
    assert.deepEqual(basesOf('(global.set $g (i32.const 1))'), { before: ['1 before i32.const'], has: [1] });
    assert.deepEqual(basesOf('(global.set $g (i32.add (local.get $p) (i32.mul (local.get $q) (i32.const 3))))'), {
      before: ['1 before local.get'],
      has: [1],
    });
    assert.deepEqual(basesOf('(global.set $g (local.tee $p (i32.load (local.get $q))))'), {
      before: ['1 before local.get'],
      has: [1],
    });
    assert.deepEqual(basesOf('(global.set $w (i64.load (i32.const 4)))'), { before: ['1 before i32.const'], has: [1] });
    assert.deepEqual(basesOf('(global.set $g (memory.grow (i32.const 0)))'), {
      before: ['1 before i32.const'],
      has: [1],
    });
    assert.deepEqual(basesOf('(global.set $g (call $call (i32.const 1)))'), {
      before: ['1 before i32.const'],
      has: [1],
    });
    assert.deepEqual(basesOf('(drop (call_indirect (type $unary) (local.get $p) (i32.const 0)))'), {
      before: ['1 before i32.const'],
      has: [1],
    });
    assert.deepEqual(basesOf('(call_indirect (type $nothing) (i32.add (i32.const 1) (local.get $n)))'), {
      before: ['1 before i32.const'],
      has: [1],
    });
  });

  test('in each other', () => {
    const inner = '(call_indirect (type $unary) (i32.const 1) (local.get $n))';
    assert.deepEqual(basesOf(`(global.set $g ${inner})`), {
      before: ['1 before i32.const', '1 before local.get'],
      has: [1, 1],
    });
    // Both begin with the same instruction.
    assert.deepEqual(
      basesOf(
        '(global.set $g (call_indirect (type $unary) (i32.const 5) (call_indirect (type $unary) (i32.const 1) (local.get $n))))',
      ),
      { before: ['1 before i32.const', '1 before i32.const', '1 before local.get'], has: [1, 1, 1] },
    );
    assert.deepEqual(basesOf('(global.set $g (block (result i32) (global.set $g (i32.const 1)) (i32.const 2)))'), {
      before: ['1 before block', '1 before i32.const'],
      has: [1, 1],
    });
  });

  test('around control flow', () => {
    assert.deepEqual(
      basesOf('(global.set $g (block (result i32) (br_if 0 (i32.const 1) (local.get $n)) (drop) (i32.const 2)))').has,
      [1],
    );
    assert.deepEqual(
      basesOf('(global.set $g (if (result i32) (local.get $n) (then (i32.const 1)) (else (i32.const 2))))'),
      {
        before: ['1 before local.get'],
        has: [1],
      },
    );
    assert.deepEqual(basesOf('(global.set $g (loop (result i32) (i32.const 1)))'), {
      before: ['1 before loop'],
      has: [1],
    });
    assert.deepEqual(
      basesOf(
        '(global.set $g (block (param i32) (result i32) (i32.const 3)))'.replace(
          /\(block.*/,
          '(select (i32.const 1) (i32.const 2) (local.get $n)))',
        ),
      ),
      { before: ['1 before i32.const'], has: [1] },
    );
  });

  test('not where it is not known where the operand begins', () => {
    // The last of two results.
    assert.deepEqual(basesOf('(call $pair) (global.set $g) (drop)'), { before: [], has: [0] });
    assert.deepEqual(basesOf('(block (result i32 i32) (i32.const 1) (i32.const 2)) (global.set $g) (drop)'), {
      before: [],
      has: [0],
    });
    assert.deepEqual(basesOf('(i32.const 1) (block (param i32) (global.set $g))'), { before: [], has: [0] });
    // Of code that is never reached.
    assert.deepEqual(basesOf('(return) (global.set $g (i32.const 1))'), { before: [], has: [0] });
    // An operand that computes with such a result.
    assert.deepEqual(basesOf('(call $pair) (global.set $g (i32.add))'), { before: [], has: [0] });
  });
});
