import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { below, uniformSource } from '../../bench/harness/random.ts';
import { RED_ZONE } from '../../core/layout.ts';
import { ERRORS, JordError } from '../errors.ts';
import { decodeModule } from './decode.ts';
import { guardModule } from './guard.ts';
import { accessOf, IMMEDIATE_MEMORY_LANE, immediates, OPCODE_COUNT, opcodeName } from './opcodes.ts';
import { assembleBody, withBody } from './testing-edit.ts';
import { instructionFunction, memoryModule, opcodeBytes, unsigned } from './testing-modules.ts';
import { ENTRY_CHECK, SUBJECT, verify } from './testing-verify.ts';
import { assemble } from './testing-wat.ts';
import type { FunctionType, GuardedModule, ValueType } from './types.ts';
import { verifyModule } from './verify.ts';

/** Offers every function that a module imports. */
function importsOf(bytes: Uint8Array): ReadonlyMap<string, FunctionType> {
  const module = decodeModule(new Uint8Array(bytes));
  return new Map(
    module.imports.flatMap((entry) => {
      const type = module.types[module.functions[entry.index] ?? -1];
      return entry.kind === 'function' && type !== undefined ? [[`${entry.module}.${entry.name}`, type] as const] : [];
    }),
  );
}

/** Guards a module and verifies it. */
function accepted(bytes: Uint8Array, memoryLimitBytes?: number): GuardedModule {
  const imports = importsOf(bytes);
  const limit = memoryLimitBytes === undefined ? {} : { memoryLimitBytes };
  const guarded = guardModule(bytes, { imports, ...limit });
  verifyModule(guarded, { imports });
  return guarded;
}

describe('what the guard makes is proven', () => {
  test('of real modules', () => {
    for (const path of [
      '@jitl/quickjs-wasmfile-release-sync/dist/emscripten-module.wasm',
      'sql.js/dist/sql-wasm.wasm',
    ]) {
      const bytes = readFileSync(new URL(`../../node_modules/${path}`, import.meta.url));
      const { exports } = accepted(bytes);
      assert.ok(exports.length > 10, path);
    }
  });

  test('of every access, with small offsets and large ones, in homes of all sizes', () => {
    const functions = [];
    for (let opcode = 0; opcode < OPCODE_COUNT; opcode += 1) {
      const access = accessOf(opcode);
      if (access === undefined) continue;
      const number = opcodeBytes(opcode);
      const lane = immediates[opcode] === IMMEDIATE_MEMORY_LANE ? [0] : [];
      for (const offset of [
        0,
        1,
        100,
        RED_ZONE - access.sizeBytes,
        RED_ZONE,
        65535,
        65536,
        2 ** 29,
        2 ** 31,
        2 ** 32 - 1,
      ]) {
        const bytes = [...number, ...unsigned(Math.log2(access.sizeBytes)), ...unsigned(offset), ...lane];
        functions.push(instructionFunction(`${opcodeName(opcode)} ${offset}`, access.operands, access.result, bytes));
      }
    }
    for (const pages of [1, 100, 2048, 8192]) accepted(memoryModule(1, functions), pages * 65536);
    assert.ok(functions.length > 1000);
  });

  test('of every kind of block, with parameters and several results', () => {
    accepted(
      assemble(`(module
        (memory 1)
        (tag $t (param i32 i64))
        (type $swap (func (param i32 i32) (result i32 i32)))
        (func $parameters (param i32) (result i32)
          (local.get 0) (local.get 0)
          (loop (param i32 i32) (result i32)
            (br_if 0 (i32.load (local.get 0)))
            (i32.add))
          (local.get 0)
          (if (param i32) (result i32) (then (i32.load)) (else (drop) (i32.const 3)))
          (local.get 0)
          (block (type $swap) (br 0))
          (local.get 0)
          (if (type $swap) (then (br 0)) (else (br_table 0 0 (local.get 0))))
          (i32.add))
        (func $returns (param i32) (result i32 i64)
          (block (br_table 0 0 (local.get 0)))
          (return (i32.const 1) (i64.const 2)))
        (func $handlers (param i32) (result i32)
          (try (result i32)
            (do (throw $t (i32.load (local.get 0)) (i64.load (local.get 0))))
            (catch $t (drop) (i32.store (local.get 0)) (i32.const 1))
            (catch_all (rethrow 0)))
          (drop)
          (try (do (call $nothing (local.get 0))) (delegate 0))
          (try (result i32) (do (call $handlers (local.get 0))) (catch_all (i32.load (local.get 0)))))
        (func $nothing (param i32))
        (func $tail (param i32) (result i32)
          (if (i32.load (local.get 0)) (then (return_call $tail (i32.const 0))))
          (return_call_indirect (type $one) (local.get 0) (i32.const 0)))
        (type $one (func (param i32) (result i32)))
        (table 2 funcref) (elem (i32.const 0) $tail $parameters)
        (func $dead (param i32) (result i32)
          (unreachable) (i32.load) (loop (br 0)) (block (result i32) (i32.const 0) (br 0)) (drop))
        (func $empty))`),
    );
  });

  test('of start functions, segments, globals, and modules without much', () => {
    accepted(assemble('(module)'));
    accepted(assemble('(module (func))'));
    accepted(
      assemble('(module (memory 0 0) (func (export "f") (param i32) (result i32) (i32.load8_s (local.get 0))))'),
    );
    accepted(
      assemble(`(module
        (memory 2) (start $s) (func $s (i32.store (i32.const 9) (i32.const 1)))
        (global $g (mut f64) (f64.const 2)) (global $v (mut v128) (v128.const i64x2 1 2)) (global i32 (i32.const 7))
        (data (i32.const 0) "first") (data "second") (data (i32.const 131072) "")
        (func (export "f") (result f64)
          (memory.init 1 (i32.const 3) (i32.const 0) (i32.const 2)) (data.drop 1)
          (memory.fill (i32.const 3) (i32.const 0) (memory.grow (i32.const 1)))
          (global.set $v (v128.const i32x4 1 2 3 4)) (global.set $g (f64.const 1)) (global.get $g)))`),
    );
  });
});

describe('a refusal', () => {
  test('names the function, the byte and the reason, and is an error of the server', () => {
    const guarded = withBody(SUBJECT, 'subject', assembleBody([], 'i32.const 0; drop; local.get 0; i32.load'));
    assert.throws(
      () => verify(guarded),
      (error) => {
        assert.ok(error instanceof JordError);
        assert.equal(error.code, 'MODULE_UNPROVEN');
        assert.equal(ERRORS.MODULE_UNPROVEN.status, 500);
        const match = /^The guarded module is not proven to be safe: (.*) \(in (.*), at byte 0x([0-9a-f]+)\)$/.exec(
          error.message,
        );
        assert.deepEqual(match?.slice(1, 3), ['an access without a check of its address', 'function 1 "subject"']);
        const offset = Number.parseInt(match?.[3] ?? '', 16);
        assert.equal(error.details['offset'], offset);
        assert.deepEqual([...guarded.bytes.subarray(offset, offset + 3)], [0x28, 2, 0]);
        return true;
      },
    );
  });
});

/** Bodies that are made to take long. The steps that joining paths may take are counted, so that they do not. */
describe('hostile code takes no longer than other code', () => {
  const repeat = (count: number, text: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => text(i)).join(';');
  const many = (count: number): ValueType[] => Array<ValueType>(count).fill('i32');

  function verdict(locals: readonly ValueType[], text: string): string {
    const guarded = withBody(SUBJECT, 'subject', assembleBody(locals, text));
    assert.ok(WebAssembly.validate(guarded.bytes));
    const started = performance.now();
    let code = 'accepted';
    try {
      verify(guarded);
    } catch (error) {
      assert.ok(error instanceof JordError, String(error));
      code = error.code;
    }
    // About 10 µs a byte would be 100 times as long as usual.
    const most = 500 + guarded.bytes.length / 100;
    assert.ok(
      performance.now() - started < most,
      `${performance.now() - started} ms for ${guarded.bytes.length} bytes`,
    );
    return code;
  }

  test('blocks in blocks', () => {
    const count = 4000;
    const write = (value: (i: number) => string): string => repeat(count, (i) => `${value(i)}; local.set ${3 + i}`);
    const blocks = (inner: string): string =>
      `${repeat(count, () => 'block')};${inner};${repeat(count, () => 'end')}; i32.const 0`;
    const out = repeat(count, (i) => `local.get 0; br_if ${i}`);
    assert.equal(verdict(many(count), blocks(`${write((i) => `i32.const ${i}`)}; ${out}`)), 'accepted');
    const labels = Array.from({ length: count }, (_, i) => i).join(' ');
    const tables = repeat(20, () => `block; local.get 0; br_table ${labels}; end`);
    assert.equal(verdict(many(count), blocks(`${write((i) => `i32.const ${i}`)}; ${tables}`)), 'MODULE_TOO_LARGE');
    const loops = `${repeat(count, () => 'loop')};${write(() => 'local.get 0')};${repeat(count, () => 'end')}; i32.const 0`;
    assert.equal(verdict(many(count), loops), 'MODULE_TOO_LARGE');
  });

  test('long chains of computations, and conditions of conditions', () => {
    assert.equal(verdict([], `local.get 0; ${repeat(50_000, () => 'i32.const 1; i32.shr_u')}`), 'accepted');
    assert.equal(verdict([], `local.get 0; ${repeat(50_000, () => 'i32.eqz')}; if; end; i32.const 0`), 'accepted');
    const and = 'local.get 0; local.get 1; i32.lt_u; i32.and';
    assert.equal(
      verdict([], `local.get 0; local.get 1; i32.lt_u; ${repeat(50_000, () => and)}; if; end; i32.const 0`),
      'accepted',
    );
  });

  test('blocks as deep as a body is long', () => {
    const deep = (open: string): string =>
      `${repeat(100_000, () => open)}; ${repeat(100_000, () => 'end')}; i32.const 0`;
    assert.equal(verdict([], deep('block')), 'accepted');
    assert.equal(verdict([], deep('local.get 0; if')), 'accepted');
    assert.equal(verdict([], deep('loop')), 'accepted');
    assert.equal(verdict([], deep('try')), 'accepted');
  });

  test('functions with many locals that use none of them', () => {
    const type = { parameters: [], results: [] };
    const locals = Array<ValueType>(20_000).fill('i64');
    const functions = Array.from({ length: 300 }, (_, i) => ({ name: `f${i}`, type, locals, instructions: [] }));
    const guarded = guardModule(memoryModule(1, functions), { imports: new Map() });
    const started = performance.now();
    verifyModule(guarded, { imports: new Map() });
    assert.ok(performance.now() - started < 2000);
  });
});

/** Whatever the bytes are, there is a verdict: a JordError or none. */
describe('garbage', () => {
  function hasVerdict(guarded: GuardedModule): boolean {
    try {
      verify(guarded);
      return true;
    } catch (error) {
      if (error instanceof JordError) return false;
      throw new Error(`${String(error)} for ${Buffer.from(guarded.bytes).toString('hex')}`, { cause: error });
    }
  }

  test('in single bytes, in runs of them, cut off, and from nothing', () => {
    const random = uniformSource(4711);
    const { bytes } = SUBJECT;
    let passed = 0;
    for (let round = 0; round < 3000; round += 1) {
      const changed = new Uint8Array(bytes);
      const count = 1 + below(random, 4);
      for (let i = 0; i < count; i += 1) changed[below(random, changed.length)] = below(random, 256);
      if (round % 5 === 0)
        changed.copyWithin(below(random, changed.length), below(random, changed.length), below(random, changed.length));
      const cut = round % 7 === 0 ? changed.slice(0, below(random, changed.length)) : changed;
      if (hasVerdict({ ...SUBJECT, bytes: cut })) passed += 1;
    }
    // Names are a part of the module, and may say anything.
    assert.ok(passed > 100 && passed < 2000, `${passed} passed`);
    for (let round = 0; round < 1000; round += 1) {
      const noise = Uint8Array.from({ length: below(random, 400) }, () => below(random, 256));
      assert.equal(hasVerdict({ ...SUBJECT, bytes: noise }), false);
    }
  });

  test('as the body of a function', () => {
    const random = uniformSource(815);
    // Instructions that the verifier knows more of than their operands, with immediates that fit or do not.
    const common = [
      0x20, 0x21, 0x22, 0x41, 0x6a, 0x6b, 0x49, 0x04, 0x05, 0x0b, 0x02, 0x03, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11,
    ];
    const rare = [
      0x28, 0x29, 0x36, 0x3a, 0x76, 0x74, 0x72, 0x71, 0x45, 0xa7, 0x88, 0x42, 0x06, 0x07, 0x19, 0x18, 0x08, 0x1f, 0x12,
    ];
    const set = [...common, ...common, ...rare];
    for (let round = 0; round < 4000; round += 1) {
      const length = 1 + below(random, 60);
      const code = Array.from({ length }, () =>
        random() < 0.6 ? (set[below(random, set.length)] ?? 0) : below(random, 8),
      );
      const body = Uint8Array.from([1, 4, 0x7f, ...(round % 2 === 0 ? code : [...code, 0x0b])]);
      hasVerdict(withBody(SUBJECT, 'subject', body));
    }
    // The same from code that is right, with instructions in another order.
    const right = assembleBody(['i32'], `${ENTRY_CHECK}; local.get 0; local.set 3; local.get 3`);
    for (let round = 0; round < 2000; round += 1) {
      const body = new Uint8Array(right);
      const [from, to] = [3 + below(random, body.length - 3), 3 + below(random, body.length - 3)];
      body.copyWithin(to, from, from + 1 + below(random, 9));
      hasVerdict(withBody(SUBJECT, 'subject', body));
    }
  });
});
