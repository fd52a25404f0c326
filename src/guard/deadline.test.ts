import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  CONTROL_NOW_MS,
  DEADLINE_FAR_MS,
  FAULT_DEADLINE,
  FAULT_NONE,
  HOME_DEADLINE_MS,
  HOME_FAULT_KIND,
} from '../../core/layout.ts';
import { decodeModule } from './decode.ts';
import { guardModule } from './guard.ts';
import { decodeExpression, InstructionList, WORD_A, WORD_OFFSET, WORDS } from './instructions.ts';
import type { Body, Module } from './module.ts';
import {
  OP_CALL,
  OP_CALL_INDIRECT,
  OP_END,
  OP_I32_CONST,
  OP_I32_LE_S,
  OP_I32_LOAD,
  OP_I32_STORE,
  OP_I32_SUB,
  OP_IF,
  OP_LOCAL_GET,
  OP_LOOP,
  OP_MEMORY_COPY,
  OP_MEMORY_FILL,
  OP_MEMORY_INIT,
  OP_RETURN_CALL,
  OP_RETURN_CALL_INDIRECT,
  OP_UNREACHABLE,
} from './opcodes.ts';
import { Reader } from './reader.ts';
import { TestSpace } from './testing.ts';
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

test('each construct stops when the deadline has passed, not before, and also where the clock wraps', () => {
  const { instance } = guardText(space, PASSED);
  const { home } = instance;
  const outcome = (name: string): number => {
    try {
      instance.call(name);
    } catch (error) {
      assert.ok(error instanceof WebAssembly.RuntimeError && /^unreachable/.test(error.message), String(error));
    }
    return space.takeFault(home).kind;
  };
  for (const deadline of [0x1000, 0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
    space.set32(home.base + HOME_DEADLINE_MS, deadline);
    for (const [sinceMs, kind] of [
      [-DEADLINE_FAR_MS, FAULT_NONE],
      [-1, FAULT_NONE],
      [0, FAULT_DEADLINE],
      [1, FAULT_DEADLINE],
      [DEADLINE_FAR_MS, FAULT_DEADLINE],
    ] as const) {
      space.set32(CONTROL_NOW_MS, deadline + sinceMs);
      for (const name of CHECKED) assert.equal(outcome(name), kind, `${name}, ${sinceMs} ms after ${deadline}`);
      for (const name of ['leaf', 'grow', 'loop in unreachable code']) assert.equal(outcome(name), FAULT_NONE, name);
    }
  }
  space.set32(CONTROL_NOW_MS, 0);
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

/** Whether the check stands from instruction `first` on: opcodes and their first immediates, as deadline.ts says. */
function isCheck({ words }: InstructionList, first: number, base: number): boolean {
  const expected = [
    [OP_LOCAL_GET, base],
    [OP_I32_LOAD, HOME_DEADLINE_MS],
    [OP_I32_CONST, 0],
    [OP_I32_LOAD, CONTROL_NOW_MS],
    [OP_I32_SUB],
    [OP_I32_CONST, 0],
    [OP_I32_LE_S],
    [OP_IF],
    [OP_LOCAL_GET, base],
    [OP_I32_CONST, FAULT_DEADLINE],
    [OP_I32_STORE, HOME_FAULT_KIND],
    [OP_UNREACHABLE],
    [OP_END],
  ];
  return expected.every(([opcode, a], i) => {
    const at = (first + i) * WORDS;
    return words[at] === opcode && (a === undefined || words[at + WORD_A] === a);
  });
}

const INDIRECT = new Set([OP_CALL_INDIRECT, OP_RETURN_CALL_INDIRECT]);
const DIRECT = new Set([OP_CALL, OP_RETURN_CALL]);
const BULK = new Set([OP_MEMORY_COPY, OP_MEMORY_FILL, OP_MEMORY_INIT]);

/** Proves for a guarded module that each check is there; returns how many there are. */
function proveChecks(bytes: Uint8Array): { readonly loops: number; readonly entries: number } {
  const module = decodeModule(new Uint8Array(bytes));
  // The first function that the guard added; what calls only those from here on does not call.
  const addedFirst = [...module.names.functions].find(([, name]) => name === 'jord:check-read')?.[0] ?? -1;
  assert.ok(addedFirst >= module.importedFunctions);
  let [loops, entries] = [0, 0];
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
    const bulk = name !== 'jord:write-range' && opcodes.some((opcode) => BULK.has(opcode));
    if (calls || bulk) {
      assert.ok(isCheck(list, 0, base), `the entry of function ${index} ${name}`);
      entries += 1;
    }
    for (const [at, opcode] of opcodes.entries()) {
      if (opcode !== OP_LOOP) continue;
      assert.ok(isCheck(list, at + 1, base), `loop at ${list.words[at * WORDS + WORD_OFFSET]} of function ${index}`);
      loops += 1;
    }
  }
  return { loops, entries };
}

test('every loop and every function that calls has the check, in real modules too', () => {
  const small = proveChecks(guardModule(assemble(PASSED), { imports: new Map() }).bytes);
  assert.deepEqual(small, { loops: 3, entries: 5 + 3 });
  const path = '../../node_modules/@jitl/quickjs-wasmfile-release-sync/dist/emscripten-module.wasm';
  const bytes = readFileSync(new URL(path, import.meta.url));
  const { loops, entries } = proveChecks(guardModule(bytes, { imports: importsOf(bytes) }).bytes);
  assert.ok(loops > 1000 && entries > 1000, `${loops} loops, ${entries} entries`);
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
  space.set32(instance.home.base + HOME_DEADLINE_MS, 0);
  assert.throws(() => instance.call(INIT_EXPORT), WebAssembly.RuntimeError);
  assert.equal(space.takeFault(instance.home).kind, FAULT_DEADLINE);
});
