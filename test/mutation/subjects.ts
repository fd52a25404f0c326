/** Modules that are mutated, and how they are called to see what a mutant does. */

import { RED_ZONE } from '../../core/layout.ts';
import { ADDED_INIT_SEGMENT } from '../../src/guard/added.ts';
import { guardModule } from '../../src/guard/guard.ts';
import {
  type Access,
  accessOf,
  IMMEDIATE_MEMORY_LANE,
  immediates,
  OPCODE_COUNT,
  opcodeName,
} from '../../src/guard/opcodes.ts';
import { functionNamed, type OpenModule, openModule } from '../../src/guard/testing-edit.ts';
import { carriers, instructionFunction, memoryModule, opcodeBytes, unsigned } from '../../src/guard/testing-modules.ts';
import type { FunctionType, GuardedModule } from '../../src/guard/types.ts';
import { wat } from '../wat.ts';
import type { MakeHost, OracleCall } from './oracle.ts';
import { VMAS } from './world.ts';

export interface MutatedFunction {
  readonly index: number;
  readonly calls: readonly OracleCall[];
  /** Whether mutants of it end also when they were not verified: it has no loop and calls nobody that has. */
  readonly isStraight: boolean;
}

export interface Subject {
  readonly name: string;
  readonly guarded: GuardedModule;
  readonly imports: ReadonlyMap<string, FunctionType>;
  readonly host: MakeHost;
  /** Functions to mutate by index, each with the calls that show what it does. */
  readonly functions: readonly MutatedFunction[];
  readonly calls: readonly OracleCall[];
}

/** The home's memory: one page, so that there is little to look at. */
const LIMIT = 65536;

export interface AccessForm {
  readonly opcode: number;
  readonly access: Access;
  readonly offset: number;
}

/** Offsets on both sides of where the emitted form changes. */
function offsets(sizeBytes: number): number[] {
  return [0, 48, RED_ZONE - sizeBytes, RED_ZONE, LIMIT - 16, LIMIT, VMAS + 256, 2 ** 32 - 16];
}

/** Every instruction that accesses memory, with each offset. */
export function accessForms(): AccessForm[] {
  const forms: AccessForm[] = [];
  for (let opcode = 0; opcode < OPCODE_COUNT; opcode += 1) {
    const access = accessOf(opcode);
    if (access === undefined) continue;
    for (const offset of offsets(access.sizeBytes)) forms.push({ opcode, access, offset });
  }
  return forms;
}

const ACCESS_PARAMETERS_MAX = 80;

const VALUES: Readonly<Record<string, unknown>> = { i32: 0x67e7e7e7, i64: 0x67e7e7e7e7e7e7e7n };

/** A module with a function for each of a few accesses. */
export function accessSubject(forms: readonly AccessForm[]): Subject {
  const functions = forms.map(({ opcode, access, offset }, i) => {
    const lane = immediates[opcode] === IMMEDIATE_MEMORY_LANE ? [0] : [];
    const bytes = [...opcodeBytes(opcode), ...unsigned(Math.log2(access.sizeBytes)), ...unsigned(offset), ...lane];
    return instructionFunction(`f${i}`, access.operands, access.result, bytes);
  });
  const guarded = guardModule(memoryModule(1, functions), { imports: new Map(), memoryLimitBytes: LIMIT });
  const open = openModule(guarded);
  const calls = forms.map(
    ({ access, offset }, i): OracleCall => ({
      name: `f${i}`,
      parameters: (world) => {
        const values = access.operands.flatMap(carriers).map((type) => VALUES[type]);
        return world.pointers(offset).map((pointer) => [pointer | 0, ...values]);
      },
      parametersMax: ACCESS_PARAMETERS_MAX,
    }),
  );
  const own = calls.map((call) => ({ index: functionNamed(open, call.name), calls: [call], isStraight: true }));
  return {
    name: forms.map(({ opcode, offset }) => `${opcodeName(opcode)} offset=${offset}`).join(', '),
    guarded,
    imports: new Map(),
    host: () => ({}),
    functions: [...own, ...addedFunctions(open, calls)],
    calls,
  };
}

/** Index of the first function that the guard added; its last one, the initialiser, is the module's last one. */
function firstAdded({ parts }: OpenModule): number {
  return parts.functions.length - (ADDED_INIT_SEGMENT + parts.data.length + 1);
}

/** The functions that the guard added are mutated too. */
function addedFunctions(open: OpenModule, calls: readonly OracleCall[]): MutatedFunction[] {
  const first = firstAdded(open);
  return Array.from({ length: open.parts.functions.length - first }, (_, i) => ({
    index: first + i,
    calls,
    isStraight: false,
  }));
}

/** Each function takes a pointer and a small number, and counts what it begins at its own place. */
const CONTROL = `(module
  (import "jord" "probe" (func $probe (param i32 i32) (result i32)))
  (memory 1 1)
  (global $g (mut i32) (i32.const 5)) (global $w (mut i64) (i64.const 6)) (global $v (mut v128) (v128.const i32x4 1 2 3 4))
  (global $c i32 (i32.const 7))
  (tag $tag (param i32))
  (table 6 funcref) (elem (i32.const 0) $load $recurse $probe $store)
  (data $active (i32.const 4096) "active") (data $passive "passive")
  (type $two (func (param i32 i32) (result i32)))
  (func $count (param $at i32)
    (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1))))
  (func $load (export "load") (type $two) (i32.load offset=4 (local.get 0)))
  (func $store (export "store") (type $two) (i32.store16 (local.get 0) (local.get 1)) (i32.const 0))
  (func $loop (export "loop") (type $two) (local $sum i32)
    (loop $next
      (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
      (local.set $sum (i32.add (local.get $sum) (i32.load (i32.add (local.get 0) (local.get 1)))))
      (br_if $next (i32.and (local.tee 1 (i32.sub (local.get 1) (i32.const 1))) (i32.const 3))))
    (local.get $sum))
  (func $nested (export "nested") (type $two) (local $i i32)
    (block $out
      (loop $outer
        (i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.const 1)))
        (block $case2 (block $case1
          (loop $inner
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $out (i32.gt_u (local.get $i) (i32.const 20)))
            (br_table $inner $case1 $case2 $outer $inner
              (i32.and (i32.load8_u (i32.add (local.get 0) (local.get $i))) (i32.const 3)))))
          (i32.store8 (local.get 0) (local.get $i)))
        (br $outer)))
    (local.get $i))
  (func $recurse (export "recurse") (type $two)
    (call $count (i32.const 8))
    (if (i32.eqz (local.get 1)) (then (return (i32.load16_u (local.get 0)))))
    (call $recurse (local.get 0) (i32.sub (i32.and (local.get 1) (i32.const 3)) (i32.const 1))))
  (func $tail (export "tail") (type $two)
    (i32.store (i32.const 12) (i32.add (i32.load (i32.const 12)) (i32.const 1)))
    (if (i32.eqz (local.get 1)) (then (return (local.get 0))))
    (return_call $tail (local.get 0) (i32.sub (i32.and (local.get 1) (i32.const 3)) (i32.const 1))))
  (func $indirect (export "indirect") (type $two)
    (call_indirect (type $two) (local.get 0) (i32.const 0) (i32.and (local.get 1) (i32.const 7))))
  (func $host (export "host") (type $two)
    (drop (call $probe (local.get 0) (local.get 1)))
    (i32.load (local.get 0)))
  (func $catch (export "catch") (type $two)
    (try (result i32)
      (do
        (if (local.get 1) (then (throw $tag (i32.load (local.get 0)))))
        (call $host (local.get 0) (local.get 1)))
      (catch $tag)
      (catch_all (i32.const 3))))
  (func $globals (export "globals") (type $two)
    (global.set $g (i32.add (global.get $g) (local.get 0)))
    (global.set $w (i64.add (global.get $w) (i64.extend_i32_u (local.get 1))))
    (global.set $v (i32x4.add (global.get $v) (i32x4.splat (local.get 0))))
    (i32.add (global.get $c) (i32.wrap_i64 (global.get $w))))
  (func $bulk (export "bulk") (type $two)
    (memory.copy (local.get 0) (i32.const 100) (local.get 1))
    (memory.fill (local.get 0) (i32.const 9) (local.get 1))
    (memory.init $passive (local.get 0) (i32.const 1) (i32.and (local.get 1) (i32.const 3)))
    (data.drop $passive)
    (memory.copy (i32.const 200) (local.get 0) (local.get 1))
    (memory.grow (local.get 1)))
  (func $size (export "size") (type $two)
    (i64.store offset=9 (local.get 0) (i64.extend_i32_u (memory.size)))
    (drop (memory.grow (i32.const 1)))
    (drop (i32.atomic.rmw.add offset=8 (local.get 0) (local.get 1)))
    (memory.atomic.wait32 (local.get 0) (i32.const 0) (i64.const 0))))`;

/** Functions whose pointers are translated once and used often, as straight as possible. */
const SHARING = `(module
  (import "jord" "probe" (func $probe (param i32 i32) (result i32)))
  (memory 1 1)
  (global $sp (mut i32) (i32.const 32768))
  (type $two (func (param i32 i32) (result i32)))
  (func $fields (export "fields") (type $two)
    (i32.store offset=4 (local.get 0) (local.get 1))
    (i64.store offset=16 (local.get 0) (i64.load offset=8 (local.get 0)))
    (i32.load (local.get 0)))
  (func $further (export "further") (type $two)
    (i32.store (local.get 0) (local.get 1))
    (if (local.get 1) (then (i32.store offset=80 (local.get 0) (i32.const 1))))
    (i32.store offset=96 (local.get 0) (local.get 1))
    (i32.load offset=40 (local.get 0)))
  (func $again (export "again") (type $two)
    (i32.store offset=8 (local.get 0) (local.get 1))
    (drop (call $probe (i32.load (local.get 0)) (local.get 1)))
    (i32.store (local.get 0) (i32.load offset=8 (local.get 0)))
    (i32.load offset=12 (local.get 0)))
  (func $arms (export "arms") (type $two)
    (if (local.get 1)
      (then (i32.store (local.get 0) (local.get 1)) (i32.store offset=4 (local.get 0) (i32.const 2)))
      (else (drop (i32.load (local.get 0))) (drop (i32.load offset=8 (local.get 0)))))
    (i32.load offset=4 (local.get 0)))
  (func $frame (export "frame") (type $two) (local $f i32)
    (global.set $sp (local.tee $f (i32.sub (local.get 0) (i32.const 64))))
    (local.set $f (global.get $sp))
    (i32.store offset=56 (local.get $f) (local.get 1))
    (i64.store offset=8 (local.get $f) (i64.const 3))
    (i32.load offset=56 (local.get $f))))`;

/** Loops of which something is known before: ranges, how often they turn, what they write. */
const LOOPS = `(module
  (memory 1 1)
  (type $two (func (param i32 i32) (result i32)))
  (func $stream (export "stream") (type $two) (local $i i32)
    (loop $l (if (i32.lt_u (local.get $i) (local.get 1)) (then
      (i32.store (i32.add (local.get 0) (i32.shl (local.get $i) (i32.const 2)))
        (i32.xor (i32.load8_u offset=3 (i32.add (i32.shl (local.get $i) (i32.const 2)) (local.get 0))) (i32.const 90)))
      (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $l))))
    (local.get $i))
  (func $sum (export "sum") (type $two) (local $i i32) (local $s i32)
    (loop $l (result i32)
      (if (result i32) (i32.lt_s (local.get $i) (local.get 1))
        (then
          (local.set $s (i32.add (local.get $s) (i32.load8_u (i32.add (local.get 0) (local.get $i)))))
          (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $l))
        (else (local.get $s)))))
  (func $block (export "block") (type $two) (local $i i32) (local $s i32)
    (loop $l (if (i32.lt_u (local.get $i) (i32.const 8)) (then
      (local.set $s (i32.add (local.get $s) (i32.load offset=4 (i32.add (local.get 0) (i32.shl (local.get $i) (i32.const 2))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $l))))
    (local.get $s))
  (func $table (export "table") (type $two) (local $i i32)
    (loop $l (if (i32.lt_s (local.get $i) (i32.const 20)) (then
      (i32.store8 (i32.add (local.get $i) (i32.const 1000)) (i32.add (local.get 1) (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 2))) (br $l))))
    (i32.load8_u offset=1000 (i32.and (local.get 1) (i32.const 31))))
  (func $late (export "late") (type $two) (local $s i32)
    (loop $l
      (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
      (local.set $s (i32.add (local.get $s) (i32.load8_u (i32.load8_u (local.get 0)))))
      (br_if $l (i32.and (local.tee 1 (i32.sub (local.get 1) (i32.const 1))) (i32.const 3))))
    (local.get $s)))`;

/** A module of such loops. */
export function loopsSubject(): Subject {
  return programSubject('loops', LOOPS, false);
}

/** A module in which translations are shared. */
export function sharingSubject(): Subject {
  return programSubject('sharing', SHARING, true);
}

/** The same with masked addresses. */
export function maskedSubject(): Subject {
  return programSubject('masked', SHARING, true, true);
}

const CONTROL_PARAMETERS_MAX = 24;

const COUNTERS: Readonly<Record<string, number>> = { loop: 0, late: 0, nested: 4, recurse: 8, tail: 12 };

/** A module with everything but single accesses. */
export function controlSubject(): Subject {
  return programSubject('control', CONTROL, false);
}

/** Where nothing loops, only the functions themselves are mutated: those that the guard adds are the same everywhere. */
function programSubject(subject: string, source: string, isStraight: boolean, maskAddresses = false): Subject {
  const imports: ReadonlyMap<string, FunctionType> = new Map([
    ['jord.probe', { parameters: ['i32', 'i32'], results: ['i32'] }],
  ]);
  const guarded = guardModule(wat(source), { imports, memoryLimitBytes: LIMIT, maskAddresses });
  const open = openModule(guarded);
  const calls = guarded.exports.map(({ name }): OracleCall => {
    const counter = COUNTERS[name];
    return {
      name,
      parameters: (world) =>
        world.pointers(4).flatMap((pointer) => numbersFor(name).map((number) => [pointer | 0, number])),
      parametersMax: CONTROL_PARAMETERS_MAX,
      ...(counter === undefined ? {} : { counter }),
    };
  });
  const own = Array.from({ length: firstAdded(open) - open.importedFunctions }, (_, i) => {
    const index = open.importedFunctions + i;
    const name = open.parts.names.functions.get(index);
    // Those that others call show themselves in all of them.
    const its = calls.filter((call) => call.name === name && !['load', 'store', 'recurse', 'host'].includes(name));
    return { index, calls: its.length > 0 ? its : calls, isStraight };
  });
  return {
    name: subject,
    guarded,
    imports,
    host: (log) => ({
      'jord.probe': (...parameters) => {
        const [a = 0, b = 0, base = 0] = parameters.map(Number);
        log.bases.push(base);
        log.calls.push(a, b);
        return 1;
      },
    }),
    functions: isStraight ? own : [...own, ...addedFunctions(open, calls)],
    calls,
  };
}

function numbersFor(name: string): number[] {
  if (['stream', 'sum'].includes(name)) return [0, 3, 40, -1];
  if (name === 'bulk') return [0, 1, 40, 70_000];
  return name === 'indirect' ? [0, 1, 2, 3, 5] : [0, 3];
}
