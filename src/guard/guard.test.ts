import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { JordError } from '../errors.ts';
import { decodeModule } from './decode.ts';
import { guardModule } from './guard.ts';
import { decodeExpression, InstructionList, WORD_OFFSET, WORDS } from './instructions.ts';
import { OP_BR_IF, OP_IF } from './opcodes.ts';
import { Reader } from './reader.ts';
import { functionType, moduleBytes, section, vector } from './testing-modules.ts';
import { assemble } from './testing-wat.ts';
import type { FunctionType } from './types.ts';

const imports = new Map<string, FunctionType>([['jord.log', { parameters: ['i32', 'i32'], results: ['i32'] }]]);

/** One of everything that is supported, small enough to try every truncation. */
const everything = assemble(`(module $all
  (type $t (func (param i32) (result i32)))
  (import "jord" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1 20)
  (table (export "table") 3 funcref)
  (tag $tag (param i32))
  (global $c i32 (i32.const 16))
  (global $m (mut i64) (i64.const -3))
  (global $v (mut v128) (v128.const i64x2 1 2))
  (elem (i32.const 0) $f $g)
  (elem declare func $f)
  (data (global.get $c) "some data")
  (data $p "more data")
  (func $f (type $t) (local i64 f32)
    (i64.store offset=8 (local.get 0) (global.get $m))
    (global.set $m (i64.load offset=70000 (local.get 0)))
    (i32.atomic.rmw.add (i32.const 4) (i32.load8_u (local.get 0))))
  (func $g (export "g") (type $t)
    (block $b (loop $l (br_table $b $l (local.get 0))))
    (try (do (throw $tag (i32.const 1))) (catch $tag (drop)) (catch_all (rethrow 0)))
    (v128.store (i32.const 32) (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (global.get $v) (v128.const i32x4 1 2 3 4)))
    (memory.copy (i32.const 0) (i32.const 10) (memory.size))
    (memory.init $p (i32.const 0) (i32.const 0) (i32.const 3))
    (data.drop $p)
    (drop (memory.grow (i32.const 1)))
    (drop (call $log (i32.const 1) (i32.trunc_sat_f64_u (f64.const 1e300))))
    (if (ref.is_null (ref.func $f)) (then unreachable))
    (return_call_indirect (type $t) (local.get 0) (i32.const 0)))
  (start $s)
  (func $s (drop (call $f (i32.const 64)))))`);

/** Guards; true when it gave a module, false when it refused. Whatever else happens is thrown. */
function guards(bytes: Uint8Array): boolean {
  try {
    const guarded = guardModule(bytes, { imports });
    assert.ok(WebAssembly.validate(guarded.bytes), 'the guarded module is not valid');
    return true;
  } catch (error) {
    if (!(error instanceof JordError)) throw error;
    assert.match(error.code, /^MODULE_(MALFORMED|UNSUPPORTED|IMPORT_UNKNOWN|TOO_LARGE)$/);
    assert.ok(error.message.length > 20);
    const valid = WebAssembly.validate(Uint8Array.from(bytes));
    assert.equal(error.code === 'MODULE_MALFORMED', !valid, `V8 and the decoder disagree: ${error.message}`);
    return false;
  }
}

test('the module of everything can be guarded, and again', () => {
  const guarded = guardModule(everything, { imports });
  assert.ok(WebAssembly.validate(guarded.bytes));
  // What comes out imports jord.memory, shared and 4 GiB, which nobody may ask for.
  assert.throws(() => guardModule(guarded.bytes, { imports }), JordError);
});

test('much before the code, little code: the types double', () => {
  const type: FunctionType = { parameters: Array(200).fill('i64'), results: [] };
  const types = Array.from({ length: 3000 }, () => functionType(type));
  const guarded = guardModule(moduleBytes(section(1, vector(types))), { imports });
  assert.ok(WebAssembly.validate(guarded.bytes));
  assert.equal(decodeModule(guarded.bytes).types.length, 6005);
});

test('every truncation is refused or a module of its own', () => {
  for (let length = 0; length < everything.length; length += 1) guards(everything.subarray(0, length));
});

test('mutated modules: refused with an error of the table, or guarded into a valid module', () => {
  const mutation = fc.record({
    place: fc.nat({ max: everything.length - 1 }),
    byte: fc.nat({ max: 255 }),
    kind: fc.constantFrom('set', 'insert', 'remove'),
  });
  let guarded = 0;
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
      const bytes = [...everything];
      for (const { place, byte, kind } of mutations) {
        bytes.splice(place, kind === 'insert' ? 0 : 1, ...(kind === 'remove' ? [] : [byte]));
      }
      if (guards(Uint8Array.from(bytes))) guarded += 1;
    }),
    { numRuns: 4000 },
  );
  assert.ok(guarded > 100, `${guarded} of them were valid`);
});

test('the decoder alone, without V8 in front of it, fails with errors of the table only', () => {
  const decodes = (bytes: Uint8Array): void => {
    try {
      decodeModule(bytes);
    } catch (error) {
      if (!(error instanceof JordError)) throw error;
    }
  };
  fc.assert(
    fc.property(
      fc.nat({ max: everything.length - 1 }),
      fc.uint8Array({ minLength: 1, maxLength: 12 }),
      (place, patch) => {
        const bytes = everything.slice();
        bytes.set(patch.subarray(0, bytes.length - place), place);
        decodes(bytes);
      },
    ),
    { numRuns: 4000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) =>
      decodes(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, ...bytes)),
    ),
  );
});

/** Every hint must be at an `if` or `br_if`; returns how many there are. */
function checkHints(bytes: Uint8Array): number {
  const module = decodeModule(bytes);
  const list = new InstructionList();
  let count = 0;
  for (const [index, { offsets }] of module.branchHints) {
    const body = module.bodies[index - module.importedFunctions];
    assert.ok(body !== undefined);
    const reader = new Reader(bytes, body.start, body.end);
    for (let rest = reader.u32(); rest > 0; rest -= 1) {
      reader.u32();
      reader.byte();
    }
    decodeExpression(reader, list, { typeCount: module.types.length, where: () => `function ${index}` });
    const branches = new Set<number>();
    for (let at = 0; at < list.count * WORDS; at += WORDS) {
      const opcode = list.words[at];
      if (opcode === OP_IF || opcode === OP_BR_IF) branches.add((list.words[at + WORD_OFFSET] ?? 0) - body.start);
    }
    assert.ok(offsets.every((offset) => branches.has(offset)));
    count += offsets.length;
  }
  return count;
}

for (const [name, path] of [
  ['QuickJS', '@jitl/quickjs-wasmfile-release-sync/dist/emscripten-module.wasm'],
  ['SQLite', 'sql.js/dist/sql-wasm.wasm'],
] as const) {
  test(`${name} is guarded into a valid module`, (context) => {
    const file = new URL(`../../node_modules/${path}`, import.meta.url);
    if (!existsSync(file)) {
      context.skip(`${path} is not installed`);
      return;
    }
    const bytes = new Uint8Array(readFileSync(file));
    const module = decodeModule(bytes);
    const offered = new Map<string, FunctionType>();
    for (const entry of module.imports) {
      const type = module.types[module.functions[entry.index] ?? -1];
      if (entry.kind === 'function' && type !== undefined) offered.set(`${entry.module}.${entry.name}`, type);
    }
    const guarded = guardModule(bytes, { imports: offered });
    assert.ok(WebAssembly.validate(guarded.bytes));
    assert.equal(guarded.imports.length, offered.size);
    const hints = checkHints(guarded.bytes);
    assert.ok(hints > 10_000, `${hints} hints`);
    context.diagnostic(`${bytes.length} bytes, ${guarded.bytes.length} guarded`);
  });
}
