import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  CONTROL_NOW_MS,
  DEADLINE_FAR_MS,
  FAULT_CANCELLED,
  FAULT_DEADLINE,
  FAULT_NONE,
  HOME_DEADLINE_MS,
  HOME_END_MS,
  HOME_FAULT_KIND,
  HOME_INVOCATION,
  INVOCATION_CANCELLED,
  INVOCATION_SIZE,
  INVOCATION_TABLE,
} from '../../core/layout.ts';
import { ADDED_INTERRUPTED } from './added.ts';
import { decodeModule } from './decode.ts';
import { guardModule } from './guard.ts';
import { decodeExpression, InstructionList, WORD_A, WORD_OFFSET, WORDS } from './instructions.ts';
import type { Body, Module } from './module.ts';
import {
  OP_BLOCK,
  OP_BR,
  OP_BR_IF,
  OP_CALL,
  OP_CALL_INDIRECT,
  OP_DROP,
  OP_ELSE,
  OP_END,
  OP_I32_ATOMIC_LOAD,
  OP_I32_ATOMIC_STORE,
  OP_I32_CONST,
  OP_I32_GT_S,
  OP_I32_LE_S,
  OP_I32_LOAD,
  OP_I32_OR,
  OP_I32_STORE,
  OP_I32_SUB,
  OP_IF,
  OP_LOCAL_GET,
  OP_LOCAL_SET,
  OP_LOOP,
  OP_MEMORY_COPY,
  OP_MEMORY_FILL,
  OP_MEMORY_INIT,
  OP_RETURN_CALL,
  OP_RETURN_CALL_INDIRECT,
  OP_SELECT,
  OP_TRY,
  OP_TRY_TABLE,
  OP_UNREACHABLE,
} from './opcodes.ts';
import { Reader } from './reader.ts';
import { type TestHome, type TestInstance, TestSpace } from './testing.ts';
import { assemble, guardText } from './testing-wat.ts';
import { INIT_EXPORT } from './types.ts';
import { readValueType } from './value-types.ts';

const space = new TestSpace();

const PASSED = `(module
  (memory 2) (data $d "data") (tag $tag) (type $t (func)) (table funcref (elem $leaf))
  (func $leaf (type $t))
  (func (export "loop") (loop))
  (func (export "loop in unreachable code") (return) (loop))
  (func (export "call") (call $leaf))
  (func (export "call behind a branch") (if (i32.const 0) (then (call $leaf))))
  (func (export "indirect call") (call_indirect (type $t) (i32.const 0)))
  (func (export "tail call") (return_call $leaf))
  (func (export "indirect tail call") (return_call_indirect (type $t) (i32.const 0)))
  (func (export "fill") (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))
  (func (export "copy") (memory.copy (i32.const 0) (i32.const 0) (i32.const 0)))
  (func (export "init") (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0)))
  (func (export "caught") (result i32) (try (result i32) (do (loop) (i32.const 1)) (catch_all (i32.const 2))))
  (func (export "leaf") (result i32) (block (br 0)) (i32.load (i32.const 4)))
  (func (export "grow") (result i32) (memory.grow (i32.const 0))))`;
/** Each of the exports above that stops. */
const CHECKED = [
  'loop',
  'call',
  'call behind a branch',
  'indirect call',
  'tail call',
  'indirect tail call',
  'fill',
  'copy',
  'init',
  'caught',
];

/** Each of the exports that does not look. */
const UNCHECKED = ['leaf', 'grow', 'loop in unreachable code'];
const ENDS = [0x1000, 0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/** An invocation record as a PD has it in its header. */
const RECORD = INVOCATION_TABLE + INVOCATION_SIZE;

function setTimes(home: TestHome, times: { now: number; deadline: number; end: number }): void {
  space.set32(CONTROL_NOW_MS, times.now);
  space.set32(home.base + HOME_DEADLINE_MS, times.deadline);
  space.set32(home.base + HOME_END_MS, times.end);
}

/** Gives a PD an invocation record, or none. */
function setInvocation(home: TestHome, invocation: 'none' | 'wanted' | 'cancelled'): void {
  space.set32(home.base + HOME_INVOCATION, invocation === 'none' ? 0 : RECORD);
  space.set32(RECORD + INVOCATION_CANCELLED, invocation === 'cancelled' ? 1 : 0);
}

/** The kind of fault that an export ends with. */
function outcome({ call, home }: TestInstance, name: string): number {
  try {
    call(name);
  } catch (error) {
    assert.ok(error instanceof WebAssembly.RuntimeError && /^unreachable/.test(error.message), String(error));
  }
  return space.takeFault(home).kind;
}

test('each construct stops when the deadline has passed, not before, and also where the clock wraps', () => {
  const { instance } = guardText(space, PASSED);
  const { home } = instance;
  for (const end of ENDS) {
    for (const [sinceMs, kind] of [
      [-DEADLINE_FAR_MS, FAULT_NONE],
      [-1, FAULT_NONE],
      [0, FAULT_DEADLINE],
      [1, FAULT_DEADLINE],
      [DEADLINE_FAR_MS, FAULT_DEADLINE],
    ] as const) {
      for (const name of CHECKED) {
        setTimes(home, { now: end + sinceMs, deadline: end, end });
        assert.equal(outcome(instance, name), kind, `${name}, ${sinceMs} ms after ${end}`);
      }
      for (const name of UNCHECKED) assert.equal(outcome(instance, name), FAULT_NONE, name);
    }
  }
  space.set32(CONTROL_NOW_MS, 0);
});

test('each construct goes on when it was interrupted for nothing, and is interrupted once', () => {
  const { instance } = guardText(space, PASSED);
  const { home } = instance;
  for (const invocation of ['none', 'wanted'] as const) {
    setInvocation(home, invocation);
    for (const end of ENDS) {
      for (const [restMs, sinceMs] of [
        [1, 0],
        [10, 1],
        [DEADLINE_FAR_MS, DEADLINE_FAR_MS],
      ] as const) {
        for (const name of CHECKED) {
          const now = end - restMs;
          const what = `${name}, ${restMs} ms before ${end}`;
          setTimes(home, { now, deadline: now - sinceMs, end });
          assert.equal(outcome(instance, name), FAULT_NONE, what);
          assert.equal(space.get32(home.base + HOME_DEADLINE_MS), end, what);
          space.set32(CONTROL_NOW_MS, end);
          assert.equal(outcome(instance, name), FAULT_DEADLINE, what);
        }
      }
    }
  }
  space.set32(CONTROL_NOW_MS, 0);
});

test('each construct stops when it looks and was cancelled, whether or not the deadline has passed', () => {
  const { instance } = guardText(space, PASSED);
  const { home } = instance;
  for (const end of ENDS) {
    for (const name of CHECKED) {
      for (const restMs of [DEADLINE_FAR_MS, 1, 0, -1]) {
        const now = end - restMs;
        setInvocation(home, 'cancelled');
        setTimes(home, { now, deadline: now, end });
        assert.equal(outcome(instance, name), FAULT_CANCELLED, `${name}, ${restMs} ms before ${end}`);
      }
      // Another invocation, whose record is another one.
      setTimes(home, { now: end - 1, deadline: end - 1, end });
      space.set32(home.base + HOME_INVOCATION, RECORD + INVOCATION_SIZE);
      assert.equal(outcome(instance, name), FAULT_NONE, name);
    }
  }
  space.set32(CONTROL_NOW_MS, 0);
});

test('what is computed stays the same when it is interrupted everywhere', () => {
  const source = `(module
    (import "jord" "interrupt" (func $interrupt))
    (memory 1)
    (func $add (param i64 f64 i32) (result i64 f64)
      (call $interrupt)
      (i64.add (local.get 0) (i64.extend_i32_s (local.get 2)))
      (f64.add (local.get 1) (f64.convert_i32_s (local.get 2))))
    (func (export "sum") (param $rest i32) (result f64) (local $i i64) (local $f f64)
      (i64.const 1000)
      (loop $l (param i64) (result i64)
        (local.set $i)
        (local.get $i)
        (local.get $f)
        (local.get $rest)
        (call $interrupt)
        (call $add)
        (local.set $f)
        (local.set $i)
        (memory.fill (i32.const 8) (local.get $rest) (i32.const 1))
        (call $interrupt)
        (local.get $i)
        (br_if $l (local.tee $rest (i32.sub (local.get $rest) (i32.const 1)))))
      (f64.convert_i64_s)
      (f64.mul (f64.const 65536))
      (f64.add (local.get $f))))`;
  let interrupted = 0;
  let base = 0;
  const interrupt = (): void => {
    // The check before has restored it: all of them look.
    if (space.get32(base + HOME_DEADLINE_MS) === DEADLINE_FAR_MS) interrupted += 1;
    space.set32(base + HOME_DEADLINE_MS, 0);
  };
  const host = { 'jord.interrupt': { type: { parameters: [], results: [] }, call: interrupt } };
  const { instance } = guardText(space, source, { host });
  base = instance.home.base;
  for (const count of [1, 2, 1000]) {
    interrupted = 0;
    const sum = (count * (count + 1)) / 2;
    assert.equal(instance.call('sum', count), (1000 + sum) * 65536 + sum);
    // Behind the checks of the loop, the entry of $add, and memory.fill.
    assert.equal(interrupted, 3 * count);
  }
});

/** Runs `endless` again and again; `step` counts up: 3n + 1 is go, 3n + 2 it runs, 3n + 3 it has ended. */
const RUNNER = `
const { workerData } = require('node:worker_threads');
const { module, memory, base, step, rounds } = workerData;
const { endless } = new WebAssembly.Instance(module, { jord: { memory } }).exports;
const next = () => {
  Atomics.add(step, 0, 1);
  Atomics.notify(step, 0);
};
for (let round = 0; round < rounds; round += 1) {
  Atomics.wait(step, 0, 3 * round);
  next();
  try {
    endless(base);
  } catch {
    next();
  }
}`;

test('another thread interrupts a loop for nothing, and then cancels it, which ends it', async () => {
  const { guarded, instance } = guardText(space, '(module (memory 1) (func (export "endless") (loop $l (br $l))))');
  const { home } = instance;
  const rounds = 100;
  const words = new Int32Array(space.memory.buffer);
  const step = new Int32Array(new SharedArrayBuffer(4));
  const module = new WebAssembly.Module(Uint8Array.from(guarded.bytes));
  const workerData = { module, memory: space.memory, base: home.base, step, rounds };
  const worker = new Worker(RUNNER, { eval: true, workerData });
  const interrupt = (): void => void Atomics.store(words, (home.base + HOME_DEADLINE_MS) >>> 2, 0);
  const waitWhile = (value: number): void => {
    assert.notEqual(Atomics.wait(step, 0, value, 10_000), 'timed-out', `after step ${value}`);
  };
  try {
    await once(worker, 'online');
    for (let round = 0; round < rounds; round += 1) {
      setInvocation(home, 'wanted');
      setTimes(home, { now: 0, deadline: DEADLINE_FAR_MS, end: DEADLINE_FAR_MS });
      Atomics.add(step, 0, 1);
      Atomics.notify(step, 0);
      waitWhile(3 * round + 1);
      for (let rest = round; rest > 0; rest -= 1) interrupt();
      assert.equal(Atomics.load(step, 0), 3 * round + 2);
      Atomics.store(words, (RECORD + INVOCATION_CANCELLED) >>> 2, 1);
      interrupt();
      waitWhile(3 * round + 2);
      assert.equal(space.takeFault(home).kind, FAULT_CANCELLED);
    }
  } finally {
    await worker.terminate();
  }
});

/** A body as its instructions. */
function instructions(module: Module, body: Body): InstructionList {
  const reader = new Reader(module.bytes, body.start, body.end);
  const where = (): string => 'a test';
  for (let rest = reader.u32(); rest > 0; rest--) {
    reader.u32();
    readValueType(reader, where);
  }
  const list = new InstructionList();
  decodeExpression(reader, list, { typeCount: module.types.length, where });
  return list;
}

/** Opcodes and their first immediates. */
type Pattern = readonly (readonly [opcode: number, a?: number])[];

function left(base: number, time: number): Pattern {
  return [
    [OP_LOCAL_GET, base],
    [OP_I32_LOAD, time],
    [OP_I32_CONST, 0],
    [OP_I32_LOAD, CONTROL_NOW_MS],
    [OP_I32_SUB],
    [OP_I32_CONST, 0],
  ];
}

function reached(base: number, time: number): Pattern {
  return [...left(base, time), [OP_I32_LE_S]];
}

function cancelled(base: number): Pattern {
  return [
    [OP_LOCAL_GET, base],
    [OP_I32_LOAD, HOME_INVOCATION],
    [OP_I32_ATOMIC_LOAD, INVOCATION_CANCELLED],
  ];
}

/** In this order and with these atomics: deadline.ts says why no cancellation is lost. No test would find the race. */
function mustEnd(base: number): Pattern {
  return [
    [OP_LOCAL_GET, base],
    [OP_LOCAL_GET, base],
    [OP_I32_LOAD, HOME_END_MS],
    [OP_I32_ATOMIC_STORE, HOME_DEADLINE_MS],
    ...cancelled(base),
    ...reached(base, HOME_END_MS),
    [OP_I32_OR],
  ];
}

function entryCheck(base: number, interrupted: number): Pattern {
  return [
    ...left(base, HOME_DEADLINE_MS),
    [OP_I32_GT_S],
    [OP_IF],
    [OP_ELSE],
    [OP_LOCAL_GET, base],
    [OP_CALL, interrupted],
    [OP_END],
  ];
}

function loopCheck(base: number, interrupted: number): Pattern {
  return [
    ...reached(base, HOME_DEADLINE_MS),
    [OP_IF],
    ...mustEnd(base),
    [OP_IF],
    [OP_LOCAL_GET, base],
    [OP_CALL, interrupted],
    [OP_UNREACHABLE],
    [OP_END],
    [OP_END],
  ];
}

/** Of a loop whose closer look is behind it: what its blocks begin with, and what stands behind the first of them. */
function lateCheck(base: number): Pattern {
  return [...reached(base, HOME_DEADLINE_MS), [OP_BR_IF, 1]];
}

function lateLook(base: number, interrupted: number): Pattern {
  return [
    ...mustEnd(base),
    [OP_IF],
    [OP_LOCAL_GET, base],
    [OP_CALL, interrupted],
    [OP_UNREACHABLE],
    [OP_END],
    [OP_BR, 0],
    [OP_END],
    [OP_END],
  ];
}

/** Where the block ends that begins at an instruction. */
function endOf({ words, count }: InstructionList, first: number): number {
  let depth = 0;
  for (let at = first; at < count; at += 1) {
    const opcode = words[at * WORDS] ?? -1;
    if (OPENS.has(opcode)) depth += 1;
    else if (opcode === OP_END) depth -= 1;
    if (depth === 0) return at;
  }
  return assert.fail('a block without an end');
}

const OPENS = new Set([OP_BLOCK, OP_LOOP, OP_IF, OP_TRY, OP_TRY_TABLE]);

const INTERRUPTED: Pattern = [
  ...mustEnd(0),
  [OP_IF],
  [OP_LOCAL_GET, 0],
  [OP_I32_CONST, FAULT_CANCELLED],
  [OP_I32_CONST, FAULT_DEADLINE],
  ...cancelled(0),
  [OP_SELECT],
  [OP_I32_STORE, HOME_FAULT_KIND],
  [OP_UNREACHABLE],
  [OP_END],
  [OP_END],
];

/** Whether these instructions stand from instruction `first` on. */
function matches({ words }: InstructionList, first: number, pattern: Pattern): boolean {
  return pattern.every(([opcode, a], i) => {
    const at = (first + i) * WORDS;
    return words[at] === opcode && (a === undefined || words[at + WORD_A] === a);
  });
}

const INDIRECT = new Set([OP_CALL_INDIRECT, OP_RETURN_CALL_INDIRECT]);
const DIRECT = new Set([OP_CALL, OP_RETURN_CALL]);
const BULK = new Set([OP_MEMORY_COPY, OP_MEMORY_FILL, OP_MEMORY_INIT]);

/** Proves for a guarded module that each check is there; returns how many there are. */
function proveChecks(bytes: Uint8Array): Readonly<Record<'loops' | 'late' | 'counted' | 'entries', number>> {
  const module = decodeModule(new Uint8Array(bytes));
  // The first function that the guard added; what calls only those from here on does not call.
  const addedFirst = [...module.names.functions].find(([, name]) => name === 'jord:check-read')?.[0] ?? -1;
  assert.ok(addedFirst >= module.importedFunctions);
  const interrupted = addedFirst + ADDED_INTERRUPTED;
  assert.equal(module.names.functions.get(interrupted), 'jord:interrupted');
  let [loops, late, counted, entries] = [0, 0, 0, 0];
  for (const [i, body] of module.bodies.entries()) {
    const index = module.importedFunctions + i;
    const base = (module.types[module.functions[index] ?? -1]?.parameters.length ?? 0) - 1;
    const list = instructions(module, body);
    const opcodes = Array.from({ length: list.count }, (_, at) => list.words[at * WORDS] ?? -1);
    const calls = opcodes.some((opcode, at) => {
      const callee = list.words[at * WORDS + WORD_A] ?? -1;
      return INDIRECT.has(opcode) || (DIRECT.has(opcode) && callee < addedFirst);
    });
    const name = module.names.functions.get(index) ?? '';
    // A mark of a range is a fill of the map, not of more than a byte for each chunk.
    const bulk = !['jord:write-range', 'jord:find-write'].includes(name) && opcodes.some((opcode) => BULK.has(opcode));
    if (index === interrupted) assert.ok(list.count === INTERRUPTED.length && matches(list, 0, INTERRUPTED));
    if (calls || bulk) {
      // The memory limit may be put into a local before.
      const first = matches(list, 0, [[OP_I32_CONST], [OP_LOCAL_SET]]) ? 2 : 0;
      assert.ok(matches(list, first, entryCheck(base, interrupted)), `the entry of function ${index} ${name}`);
      entries += 1;
    }
    for (const [at, opcode] of opcodes.entries()) {
      if (opcode !== OP_LOOP) continue;
      const where = `loop at ${list.words[at * WORDS + WORD_OFFSET]} of function ${index}`;
      loops += 1;
      if (matches(list, at + 1, [[OP_LOCAL_GET], [OP_DROP]])) counted += 1;
      else if (matches(list, at + 1, [[OP_BLOCK], [OP_LOOP], ...lateCheck(base)])) {
        assert.ok(matches(list, endOf(list, at + 1) + 1, lateLook(base, interrupted)), where);
        late += 1;
      } else if (matches(list, at + 1, lateCheck(base))) assert.ok(opcodes[at - 2] === OP_LOOP, where);
      else assert.ok(matches(list, at + 1, loopCheck(base, interrupted)), where);
    }
  }
  // Around each of the late ones there is another loop, which leads to it.
  return { loops: loops - late, late, counted, entries };
}

test('every loop and every function that calls has the check, in real modules too', () => {
  const small = proveChecks(guardModule(assemble(PASSED), { imports: new Map() }).bytes);
  assert.deepEqual(small, { loops: 3, late: 3, counted: 0, entries: 5 + 3 });
  const path = '../../node_modules/@jitl/quickjs-wasmfile-release-sync/dist/emscripten-module.wasm';
  const bytes = readFileSync(new URL(path, import.meta.url));
  const { loops, late, counted, entries } = proveChecks(guardModule(bytes, { imports: importsOf(bytes) }).bytes);
  assert.ok(loops > 1000 && late > 400 && counted > 0 && entries > 1000, `${[loops, late, counted, entries]}`);
});

function importsOf(bytes: Uint8Array): Parameters<typeof guardModule>[1]['imports'] {
  const module = decodeModule(new Uint8Array(bytes));
  return new Map(
    module.imports.flatMap((entry) => {
      const type = module.types[module.functions[entry.index] ?? -1];
      return entry.kind === 'function' && type !== undefined ? [[`${entry.module}.${entry.name}`, type] as const] : [];
    }),
  );
}

test('the start function is under the deadline', () => {
  const source = '(module (start $s) (func $s (loop $l (br $l))))';
  const { instance } = guardText(space, source, { init: false });
  setTimes(instance.home, { now: 0, deadline: 0, end: 0 });
  assert.throws(() => instance.call(INIT_EXPORT), WebAssembly.RuntimeError);
  assert.equal(space.takeFault(instance.home).kind, FAULT_DEADLINE);
});
