/**
 * Where the guard translates and checks a pointer, and where it does so no more: what stands in the guarded body, and that it does
 * the same as without guards. What the guard emits must be proven, whatever the module does.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ADDED_CHECK_READ, ADDED_CHECK_WRITE, ADDED_REFUSE } from './added.ts';
import { decodeModule } from './decode.ts';
import { GUARDED_LIMITS } from './errors.ts';
import { BLOCK_TYPE_VALUE, decodeExpression, InstructionList, WORD_A, WORDS } from './instructions.ts';
import { OP_CALL, OP_DROP, OP_I32_LT_U, OP_I32_STORE8, OP_IF } from './opcodes.ts';
import { Reader } from './reader.ts';
import { PROGRAM_PAGES, PROGRAM_PLACES } from './testing-programs.ts';
import { compareCalls, guardProgram } from './testing-twins.ts';
import type { GuardedModule } from './types.ts';
import { readValueType } from './value-types.ts';

const [HOME = 0, VMA = 0, OTHER = 0] = PROGRAM_PLACES;

interface Counted {
  /** Arms for VMAs that leave an address, and those that only check again. */
  readonly translations: number;
  readonly checksAgain: number;
  readonly refusals: number;
  readonly marks: number;
}

/** What stands in the body of function `f`. */
function count({ bytes, layout }: GuardedModule): Counted {
  const module = decodeModule(bytes, GUARDED_LIMITS);
  const named = (wanted: string): number =>
    [...module.names.functions].find(([, name]) => name === wanted)?.[0] ?? assert.fail(`no function ${wanted}`);
  const body = module.bodies[named('f') - module.importedFunctions];
  assert.ok(body !== undefined);
  const reader = new Reader(bytes, body.start, body.end);
  for (let groups = reader.u32(); groups > 0; groups -= 1) {
    reader.u32();
    readValueType(reader);
  }
  const list = new InstructionList();
  decodeExpression(reader, list, { typeCount: module.types.length, where: () => '' });
  const word = (i: number, at: number): number => list.words[i * WORDS + at] ?? -1;
  const places = Array.from({ length: list.count }, (_, i) => i);
  const added = named('jord:check-read') - ADDED_CHECK_READ;
  const calls = (place: number): number[] =>
    places.filter((i) => word(i, 0) === OP_CALL && word(i, WORD_A) === added + place);
  const checks = [...calls(ADDED_CHECK_READ), ...calls(ADDED_CHECK_WRITE)];
  const checksAgain = checks.filter((i) => word(i + 1, 0) === OP_DROP).length;
  const translations = places.filter(
    (i) => word(i, 0) === OP_I32_LT_U && word(i + 1, 0) === OP_IF && word(i + 1, WORD_A) === BLOCK_TYPE_VALUE,
  );
  const isMark = (i: number): boolean => {
    const place = word(i, WORD_A) - layout.mapOffset;
    return word(i, 0) === OP_I32_STORE8 && place >= 0 && place < layout.mapSize;
  };
  assert.equal(translations.length, checks.length - checksAgain);
  return {
    translations: translations.length,
    checksAgain,
    refusals: calls(ADDED_REFUSE).length,
    marks: places.filter(isMark).length,
  };
}

/** A module whose `f` takes three pointers and a number, and leaves a number. */
function moduleWith(body: string): string {
  return `(module
    (import "env" "memory" (memory ${PROGRAM_PAGES} 65536 shared))
    (import "jord" "host" (func $host (param i32) (result i32)))
    (tag $tag)
    (global $sp (mut i32) (i32.const 65536))
    (global $g (mut i32) (i32.const 3))
    (type $unary (func (param i32) (result i32)))
    (table 1 funcref) (elem (i32.const 0) $own)
    (func $own (param $x i32) (result i32) (i32.add (local.get $x) (i32.const 1)))
    (func $f (export "f") (param $p i32) (param $q i32) (param $r i32) (param $n i32) (result i32) ${body}))`;
}

const CALLS = [
  [HOME, HOME, HOME, 0],
  [VMA, VMA, VMA, 1],
  [VMA, OTHER, HOME, 0],
  [HOME, VMA, OTHER, 1],
];

/** Guards, proves and runs it; what it was found to have must be what is wanted. */
function expect(body: string, wanted: Partial<Counted>): void {
  const module = guardProgram(moduleWith(body));
  const { translations, checksAgain, refusals, marks } = count(module.guarded);
  const all = { translations: 0, checksAgain: 0, refusals: 0, marks: 0, ...wanted };
  assert.deepEqual({ translations, checksAgain, refusals, marks }, all, body);
  compareCalls(module, 'f', CALLS);
}

const get = (local: string, offset = 0): string => `(drop (i32.load offset=${offset} (local.get ${local})))`;
const put = (local: string, offset = 0): string => `(i32.store offset=${offset} (local.get ${local}) (i32.const 7))`;
const CALL = '(drop (call $host (i32.const 1)))';
const BRANCH = '(block $b (br_if $b (local.get $n)))';
const ZERO = '(i32.const 0)';

describe('in one stretch', () => {
  test('one translation for ten fields', () => {
    const fields = Array.from({ length: 10 }, (_, i) => 4 * i);
    expect(`${fields.map((at) => get('$p', at)).join('')} ${ZERO}`, { translations: 1 });
    expect(`${fields.map((at) => put('$p', at)).join('')} ${ZERO}`, { translations: 1, marks: 1 });
    expect(`${fields.map((at) => get('$p', at) + put('$q', at)).join('')} ${ZERO}`, { translations: 2, marks: 1 });
  });

  test('one for copies of a pointer, and one for each pointer at a distance', () => {
    expect(`${get('$p')} (local.set $q (local.get $p)) ${get('$q', 8)} ${get('$p')} ${ZERO}`, { translations: 1 });
    expect(`(drop (i32.load (local.tee $q (local.get $p)))) ${get('$p', 8)} ${get('$q', 4)} ${ZERO}`, {
      translations: 1,
    });
    expect(`${get('$p')} (local.set $p (i32.add (local.get $p) (i32.const 4))) ${get('$p')} ${ZERO}`, {
      translations: 2,
    });
  });

  test('more than 255 bytes are checked in parts, and far ones each for themselves', () => {
    expect(`${get('$p')} ${get('$p', 251)} ${ZERO}`, { translations: 1 });
    expect(`${get('$p')} ${get('$p', 252)} ${ZERO}`, { translations: 1, checksAgain: 1 });
    expect(`${get('$p')} ${get('$p', 5000)} ${ZERO}`, { translations: 2 });
    expect(`${put('$p')} ${put('$p', 61)} ${ZERO}`, { translations: 1, marks: 1 });
    expect(`${put('$p')} ${put('$p', 62)} ${ZERO}`, { translations: 1, marks: 2 });
  });

  test('what is written in the stretch is checked for writing when it is read', () => {
    expect(`${get('$p')} ${put('$p', 8)} ${ZERO}`, { translations: 1, marks: 1 });
    expect(`${get('$p')} ${BRANCH} ${put('$p')} ${ZERO}`, { translations: 1, checksAgain: 1, marks: 1 });
    expect(`${put('$p')} ${BRANCH} ${get('$p')} ${ZERO}`, { translations: 1, marks: 1 });
  });

  test('addresses that are constants need no check', () => {
    expect(`(drop (i32.load (i32.const 1024))) (i32.store (i32.const 4096) (i32.const 1)) ${ZERO}`, { marks: 1 });
    expect(`(drop (i32.load (i32.const ${VMA}))) ${ZERO}`, { translations: 1 });
  });
});

describe('further on', () => {
  test('a call ends what was checked for VMAs, not where the pointer is, nor its mark', () => {
    expect(`${get('$p')} ${CALL} ${get('$p')} ${ZERO}`, { translations: 1, checksAgain: 1 });
    expect(`${put('$p')} ${CALL} ${put('$p')} ${ZERO}`, { translations: 1, checksAgain: 1, marks: 1 });
    expect(`${put('$p')} ${CALL} ${put('$p', 4)} ${CALL} ${get('$p', 8)} ${ZERO}`, {
      translations: 1,
      checksAgain: 2,
      marks: 1,
    });
    expect(`${get('$p')} (memory.fill (local.get $q) (i32.const 1) (i32.const 4)) ${get('$p')} ${ZERO}`, {
      translations: 1,
    });
  });

  test('branches and blocks end nothing, unless another path has less', () => {
    expect(`${get('$p')} ${BRANCH} ${get('$p')} (if (local.get $n) (then ${get('$p')})) ${ZERO}`, { translations: 1 });
    expect(`(if (local.get $n) (then ${get('$p')}) (else ${get('$p')})) ${get('$p')} ${ZERO}`, { translations: 2 });
    expect(`(if (local.get $n) (then ${get('$p')})) ${get('$p')} ${ZERO}`, { translations: 2 });
    expect(`${get('$p')} (if (local.get $n) (then ${CALL})) ${get('$p')} ${ZERO}`, {
      translations: 1,
      checksAgain: 1,
    });
    expect(`(block $b ${get('$p')} (br_if $b (local.get $n)) (local.set $p (local.get $q))) ${get('$p')} ${ZERO}`, {
      translations: 2,
    });
    expect(`${get('$p')} (block $a (block $b (br_table $a $b (local.get $n))) ${get('$p')}) ${get('$p')} ${ZERO}`, {
      translations: 1,
    });
  });

  test('a loop translates what it changes, and not what it leaves', () => {
    const loop = (text: string): string => `
      (loop $l ${text} (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 4)))) ${ZERO}`;
    expect(`${get('$p')} ${loop(get('$p'))}`, { translations: 1 });
    expect(`${put('$p')} ${loop(put('$p'))}`, { translations: 1, marks: 1 });
    expect(`${get('$p')} ${loop(get('$p') + CALL)}`, { translations: 1, checksAgain: 1 });
    expect(loop(get('$p')), { translations: 1 });
    expect(`${get('$p')} ${loop(`${get('$p')} (local.set $p (i32.add (local.get $p) (i32.const 4)))`)}`, {
      translations: 2,
    });
  });

  test('a value that is computed between pointer and access', () => {
    const store = (value: string): string => `(i32.store (local.get $p) ${value})`;
    expect(`${store('(i32.load offset=4 (local.get $p))')} ${ZERO}`, { translations: 1, marks: 1 });
    expect(`${store('(i32.load offset=4 (local.get $q))')} ${ZERO}`, { translations: 2, marks: 1 });
    expect(`${store('(call $host (i32.const 1))')} ${ZERO}`, { translations: 1, marks: 1 });
    expect(`${store('(call_indirect (type $unary) (i32.const 1) (i32.const 0))')} ${ZERO}`, {
      translations: 1,
      marks: 1,
    });
    expect(`${store('(block (result i32) (local.set $p (local.get $q)) (i32.const 1))')} ${get('$p')} ${ZERO}`, {
      translations: 2,
      marks: 1,
    });
    expect(`(i32.store (i32.load (i32.const 32)) (call $host (i32.const 1))) ${ZERO}`, { translations: 1, marks: 1 });
  });
});

describe('a stack', () => {
  const frame = (text: string): string => `(local $f i32)
    (global.set $sp (local.tee $f (i32.sub (global.get $sp) (i32.const 64)))) ${text}
    (global.set $sp (i32.add (local.get $f) (i32.const 64))) ${ZERO}`;

  test('is looked at once for a frame, and not after calls', () => {
    expect(frame(`${put('$f')} ${put('$f', 56)} ${CALL} ${get('$f', 8)} ${CALL} ${put('$f', 32)}`), {
      refusals: 1,
      marks: 1,
    });
    expect(frame(`${get('$f')} ${BRANCH} ${get('$f', 8)} (loop ${put('$f', 16)})`), { refusals: 1, marks: 1 });
    expect(frame(`${get('$f')} ${get('$p')} ${CALL} ${get('$p')}`), { refusals: 1, translations: 1, checksAgain: 1 });
  });
});

/** Bodies that the guard once made something of that was not proven. They must be proven, and do what they did. */
const ONCE_UNPROVEN: Readonly<Record<string, string>> = {
  'a sum with a constant that is in a local': `(local $c i32) (local.set $c (i32.const 8))
    (local.set $q (i32.add (local.get $p) (local.get $c)))
    ${get('$p')} ${get('$q')} ${CALL} ${get('$p')} ${get('$q')} ${BRANCH} ${get('$p')}`,
  'a sum with a sum of constants': `
    (local.set $q (i32.add (local.get $p) (i32.add (i32.const 4) (i32.const 4))))
    ${get('$p')} ${get('$q')} ${CALL} ${get('$p')} ${get('$q')} ${BRANCH} ${get('$p')}`,
  'a sum that is set in a block': `(block (local.set $q (i32.add (local.get $p) (i32.const 8))))
    ${get('$p')} ${get('$q')} ${CALL} ${get('$p')} ${get('$q')} ${BRANCH} ${get('$p')}`,
  'a copy that is set in a block': `(block (local.set $q (local.get $p)))
    ${get('$p')} ${get('$q', 100)} ${CALL} ${get('$p')} ${get('$q', 100)} ${BRANCH} ${get('$p')}`,
  'a sum that is set in a block, without calls': `
    (block ${get('$p', 300)} (drop (i32.load (local.tee $q (i32.add (local.get $p) (i32.const 4))))))
    ${get('$p')} ${get('$q')} ${get('$p')}`,
  'a copy that is set in the value of a store': `
    (i32.store offset=100 (local.get $p) (block (result i32) (local.set $r (local.get $p)) ${get('$p')} (i32.const 7)))
    ${get('$r', 252)} ${get('$p', 300)} ${put('$r', 252)}`,
  'a copy that is the result of a block': `(local.set $q (block (result i32) (local.get $p)))
    ${get('$p')} ${get('$q', 100)} ${CALL} ${get('$p')} ${get('$q', 100)} ${BRANCH} ${get('$p')}`,
  'a copy that is set on all paths': `${get('$p')}
    (if (local.get $n) (then (local.set $q (local.get $p))) (else (local.set $q (local.get $p))))
    ${get('$p')} ${get('$q', 100)} ${CALL} ${get('$p')} ${get('$q', 100)} ${BRANCH} ${get('$p')}`,
  'marks of constants that are in locals': `(local $a i32) (local $b i32)
    (local.set $a (i32.const 1000)) (local.set $b (i32.const 50000)) ${get('$a')} ${get('$b')} ${BRANCH}
    ${put('$a')} ${put('$b')} ${BRANCH} ${put('$a')}`,
  'marks of a constant in a local and another one': `(local $a i32) (local.set $a (i32.const 1000)) ${get('$a')} ${BRANCH}
    ${put('$a')} (i32.store (i32.const 50000) (i32.const 1)) ${BRANCH} ${put('$a')}`,
  'constant addresses in VMAs, one in the value of the other': `(local $a i32) (local.set $a (i32.const ${VMA}))
    (i32.store (local.get $a) (block (result i32)
      (local.set $a (i32.const ${VMA + 1000})) ${put('$a')} (i32.const 1)))`,
  'a constant address, with one of another chunk in its value': `
    (i32.store (i32.const 0) (block (result i32) (i32.store (i32.const 50000) (i32.const 1)) (i32.const 2)))`,
  'a constant address, with one that is in a local in its value': `(local $c i32) (local.set $c (i32.const 50000))
    (i32.store (i32.const 1024) (block (result i32) (i32.store (local.tee $p (i32.add (local.get $c) (i32.const 4)))
      (i32.const 7)) (i32.const 7)))`,
  'a pointer that is set to itself in a block': `${get('$p')} (local.set $p (local.get $r)) ${get('$p')}
    (if (local.get $n) (then (block (local.set $p (local.get $p))))) ${get('$r')} ${get('$p')} ${get('$r', 252)}`,
  'a pointer that cannot be in the home, in the value of a store': `
    (i32.store (local.get $p) (if (result i32) (i32.ge_u (local.get $q) (i32.const 0x80000000))
      (then ${get('$q')} ${get('$p')} (i32.const 7)) (else (i32.load (local.get $q)))))
    ${get('$q')}`,
  'a handler in a loop': `${get('$p')} (loop $l ${get('$p')} (try (do ${CALL}) (catch_all)) ${get('$p')})`,
  'a handler between pointer and access': `(i32.store (local.get $p) (try (result i32) (do (i32.const 3)) (catch_all (i32.const 5))))`,
  'a throw between pointer and access': `(i32.store (local.get $p) (try (result i32) (do (throw $tag)) (catch_all (i32.const 5))))`,
  'a dead access in a loop': `${get('$p')} (loop $l ${get('$p')} (block (return (i32.const 0))) ${get('$p')})`,
  'a dead call between pointer and access': `
    (i32.store (local.get $p) (loop $l (result i32) (if (i32.const 0) (then (br $l) ${CALL})) (i32.const 3)))`,
  'a tail call in a loop': `${get('$p')} (loop $l ${get('$p')}
    (if (local.get $n) (then (return_call $own (i32.const 4)))) (br_if $l (local.get $n)))`,
  'a pointer that cannot be in the home, at the end of a block': `
    (if (i32.ge_u (local.get $p) (i32.const 0x80000000))
      (then (block ${get('$p')} ${CALL} (br_if 0 (local.get $n)) (nop)) ${get('$p')}))`,
  'a pointer that cannot be in the home, behind an if': `
    (if (i32.ge_u (local.get $p) (i32.const 0x80000000))
      (then (if (local.get $n) (then ${get('$p')}) (else ${get('$p')})) ${get('$p')}))`,
  'a pointer that is in the home on one path, with calls': `
    (if (i32.ge_u (local.get $p) (i32.const 0x80000000)) (then ${get('$p')} ${CALL}) (else ${get('$p')} ${CALL})) ${get('$p')}`,
  'a pointer that is in the home on one path': `
    (if (i32.ge_u (local.get $p) (i32.const 0x80000000)) (then ${get('$p')}) (else ${get('$p')})) ${get('$p')}`,
  'more pointers in a loop than are remembered': `${Array.from({ length: 30 }, (_, i) => `(local $x${i} i32)`).join(' ')}
    ${Array.from({ length: 30 }, (_, i) => `(local.set $x${i} (i32.add (local.get $p) (i32.mul (local.get $n) (i32.const ${i}))))`).join(' ')}
    ${get('$x29')} (loop ${get('$x29')} ${Array.from({ length: 29 }, (_, i) => get(`$x${i}`)).join('')} ${Array.from({ length: 29 }, (_, i) => get(`$x${i}`)).join('')} ${get('$x29')})`,
  'copies in a loop of which another was translated in a loop before': `
    (loop $a (drop (i32.load (local.tee $p (local.get $q)))) (br_if $a (i32.eqz (local.tee $n (i32.eqz (local.get $n))))))
    (loop $b ${get('$q')} ${get('$p')} (br_if $b (i32.eqz (local.tee $n (i32.eqz (local.get $n))))))`,
};

/** Pointers that are compared with the end of the home, of which the guard knows nothing and the verifier much. */
const ALONE = [
  'a pointer that cannot be in the home, in the value of a store',
  'a pointer that is in the home on one path, with calls',
  'a pointer that is in the home on one path',
];

describe('is proven', () => {
  for (const [name, body] of Object.entries(ONCE_UNPROVEN)) {
    test(ALONE.includes(name) ? `${name}, access by access` : name, () => {
      const program = guardProgram(moduleWith(`${body} ${ZERO}`));
      compareCalls(program, 'f', CALLS);
      assert.equal(program.again > 0, ALONE.includes(name));
    });
  }
});
