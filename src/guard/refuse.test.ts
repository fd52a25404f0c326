import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, JordError } from '../errors.ts';
import { guardModule } from './guard.ts';
import { functionBody, functionType, moduleBytes, section, signed, text, unsigned, vector } from './testing-modules.ts';
import { assemble } from './testing-wat.ts';
import type { FunctionType, GuardOptions } from './types.ts';

const VOID: FunctionType = { parameters: [], results: [] };
const NO_IMPORTS: GuardOptions = { imports: new Map() };

function refused(bytes: Uint8Array, code: ErrorCode, message: RegExp, options = NO_IMPORTS): void {
  assert.throws(
    () => guardModule(bytes, options),
    (error) => {
      assert.ok(error instanceof JordError);
      assert.match(error.message, message);
      assert.equal(error.code, code);
      return true;
    },
  );
}

/** A function whose body is these bytes; V8 must think it valid. */
function withBody(
  instructions: readonly number[],
  ...sections: readonly (readonly number[])[]
): Uint8Array<ArrayBuffer> {
  const code = [...section(3, vector([[0]])), ...section(7, vector([[...text('f'), 0, 0]]))];
  const bytes = moduleBytes(
    section(1, vector([functionType(VOID)])),
    code.slice(0, 4),
    ...sections,
    code.slice(4),
    section(10, vector([functionBody([], instructions)])),
  );
  assert.ok(WebAssembly.validate(bytes));
  return bytes;
}

test('constructs in text form', () => {
  for (const [source, message] of [
    ['(memory i64 1)', /a 64-bit memory \(at byte 0x/],
    ['(memory 1) (memory 1)', /more than one memory/],
    ['(import "a" "t" (table 1 funcref))', /an imported table, "a\.t"/],
    ['(import "a" "g" (global i32))', /an imported global, "a\.g"/],
    ['(import "a" "g" (global (mut i32)))', /an imported global, "a\.g"/],
    ['(import "a" "e" (tag))', /an imported tag, "a\.e"/],
    ['(global (mut funcref) (ref.null func))', /a mutable global of type funcref \(global 0\)/],
    ['(global i32 (i32.const 0)) (global (mut externref) (ref.null extern))', /type externref \(global 1\)/],
    ['(func (export "jord:init"))', /an export called "jord:init"/],
  ] as const) {
    refused(assemble(`(module ${source})`), 'MODULE_UNSUPPORTED', message);
  }
});

test('changes of a table, with function and place', () => {
  for (const [instruction, name] of [
    ['(table.set $t (i32.const 0) (ref.null func))', 'table.set'],
    ['(drop (table.grow $t (ref.null func) (i32.const 1)))', 'table.grow'],
    ['(table.fill $t (i32.const 0) (ref.null func) (i32.const 1))', 'table.fill'],
    ['(table.copy $t $t (i32.const 0) (i32.const 0) (i32.const 1))', 'table.copy'],
    ['(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))', 'table.init'],
  ] as const) {
    const bytes = assemble(
      `(module (table $t 4 funcref) (elem $e func $changer) (func) (func $changer ${instruction}))`,
    );
    const message = new RegExp(`${name}, which changes a table at run time \\(in function 1 "changer", at byte 0x`);
    refused(bytes, 'MODULE_UNSUPPORTED', message);
  }
});

test('elem.drop has nothing to drop', () => {
  const source = '(module (elem $e func $f) (func $f (export "f") (elem.drop $e)))';
  assert.equal(guardModule(assemble(source), NO_IMPORTS).exports.length, 1);
});

test('garbage collection, typed references, and what V8 may know one day', () => {
  const types = (form: readonly number[]): Uint8Array<ArrayBuffer> => moduleBytes(section(1, vector([form])));
  refused(types([0x5f, 0]), 'MODULE_UNSUPPORTED', /a struct type \(garbage collection\)/);
  refused(types([0x5e, 0x7f, 0]), 'MODULE_UNSUPPORTED', /an array type/);
  refused(types([0x4e, 1, 0x60, 0, 0]), 'MODULE_UNSUPPORTED', /a recursive type group/);
  refused(types([0x50, 0, 0x60, 0, 0]), 'MODULE_UNSUPPORTED', /a subtype/);
  refused(types([0x60, 1, 0x63, 0x70, 0]), 'MODULE_UNSUPPORTED', /a typed reference/);
  refused(types([0x60, 1, 0x6e, 0]), 'MODULE_UNSUPPORTED', /anyref/);
  // ref.null any, drop
  refused(withBody([0xd0, 0x6e, 0x1a]), 'MODULE_UNSUPPORTED', /anyref.*in function 0 "f"/);
  // i32.const 0, ref.i31, drop
  refused(withBody([0x41, 0, 0xfb, 0x1c, 0x1a]), 'MODULE_UNSUPPORTED', /ref\.i31 \(garbage collection\)/);
  // ref.func 0, call_ref 0
  refused(
    withBody([0xd2, 0, 0x14, 0]),
    'MODULE_UNSUPPORTED',
    /call_ref \(typed function references\) \(in function 0 "f"/,
  );
  // block (result anyref) ref.null any end drop
  refused(withBody([0x02, 0x6e, 0xd0, 0x6e, 0x0b, 0x1a]), 'MODULE_UNSUPPORTED', /anyref/);
  // A local of type (ref null 0).
  const local = moduleBytes(
    section(1, vector([functionType(VOID)])),
    section(3, vector([[0]])),
    section(10, vector([[5, 1, 1, 0x63, 0, 0x0b]])),
  );
  refused(local, 'MODULE_UNSUPPORTED', /a typed reference \(in function 0/);
});

test('64-bit tables', () => {
  refused(moduleBytes(section(4, vector([[0x70, 0x04, 1]]))), 'MODULE_UNSUPPORTED', /a 64-bit table/);
});

test('imports: unknown, of another type, too many', () => {
  const log: FunctionType = { parameters: ['i32'], results: [] };
  const imports = new Map([['jord.log', log]]);
  refused(
    assemble('(module (import "env" "exit" (func (param i32))))'),
    'MODULE_IMPORT_UNKNOWN',
    /imports "env\.exit", which is not offered here \(at byte 0x/,
    { imports },
  );
  refused(
    assemble('(module (import "jord" "log" (func (param i64) (result f32))))'),
    'MODULE_IMPORT_UNKNOWN',
    /imports "jord\.log" as \(i64\) → \(f32\), but it is \(i32\) → \(\)/,
    { imports },
  );
  const many = Array.from({ length: 10_000 }, () => [...text('jord'), ...text('log'), 0, 0]);
  refused(
    moduleBytes(section(1, vector([functionType(log)])), section(2, vector(many))),
    'MODULE_TOO_LARGE',
    /10000 imports/,
    {
      imports,
    },
  );
  const name = 'x'.repeat(5000);
  const long = moduleBytes(
    section(1, vector([functionType(log)])),
    section(2, vector([[...text(name), ...text('\n'), 0, 0]])),
  );
  assert.throws(
    () => guardModule(long, { imports }),
    (error) => error instanceof JordError && error.message.length < 300 && !error.message.includes('\n'),
  );
});

test('memory above the limit', () => {
  refused(assemble('(module (memory 16384))'), 'MODULE_TOO_LARGE', /16384 pages of memory/);
  refused(assemble('(module (import "env" "memory" (memory 8193)))'), 'MODULE_TOO_LARGE', /8193 pages/);
  refused(
    assemble('(module (memory 3))'),
    'MODULE_TOO_LARGE',
    /196608 bytes of memory at its start, and its limit is 131072/,
    {
      imports: new Map(),
      memoryLimitBytes: 131072,
    },
  );
});

test('counts that a module can make large', () => {
  const type = (count: number): FunctionType => ({ parameters: Array(count).fill('i32'), results: [] });
  const one = (t: FunctionType, locals: readonly number[]): Uint8Array<ArrayBuffer> => {
    const body = [...vector([locals]), 0x0b];
    return moduleBytes(
      section(1, vector([functionType(t)])),
      section(3, vector([[0]])),
      section(10, vector([[...unsigned(body.length), ...body]])),
    );
  };
  refused(one(type(1000), [1, 0x7f]), 'MODULE_TOO_LARGE', /1000 parameters in type 0; at most 999/);
  guardModule(one(type(999), [1, 0x7f]), NO_IMPORTS);
  refused(one(VOID, [...unsigned(50_000), 0x7f]), 'MODULE_TOO_LARGE', /50001 locals in function 0/);
  guardModule(one(VOID, [...unsigned(49_999), 0x7f]), NO_IMPORTS);

  const types = Array.from({ length: 10_001 }, () => functionType(VOID));
  refused(moduleBytes(section(1, vector(types))), 'MODULE_TOO_LARGE', /10001 types/);
  refused(
    moduleBytes(section(4, vector([[0x70, 0, ...unsigned(131_073)]]))),
    'MODULE_TOO_LARGE',
    /131073 table entries/,
  );
  refused(moduleBytes(section(4, vector(Array(101).fill([0x70, 0, 0])))), 'MODULE_TOO_LARGE', /101 tables/);
  const globals = Array.from({ length: 8_193 }, () => [0x7f, 1, 0x41, 0, 0x0b]);
  refused(moduleBytes(section(6, vector(globals))), 'MODULE_TOO_LARGE', /take 65552 bytes of a home's header/);
  guardModule(moduleBytes(section(6, vector(globals.slice(1)))), NO_IMPORTS);
  const segments = Array.from({ length: 32_769 }, () => [1, 0]);
  refused(moduleBytes(section(11, vector(segments))), 'MODULE_TOO_LARGE', /32769 data segments/);
  refused(new Uint8Array(64 * 1024 * 1024 + 1), 'MODULE_TOO_LARGE', /bytes; at most 67108864/);
});

test('a function that is too large with its guards', () => {
  // i32.const -1, i32.load, drop: of a constant outside of the home, which is looked at each time
  const load = [0x41, 0x7f, 0x28, 2, 0, 0x1a];
  const body = [0, ...Array.from({ length: 250_000 }, () => load).flat(), 0x0b];
  const bytes = moduleBytes(
    section(1, vector([functionType(VOID)])),
    section(3, vector([[0]])),
    section(5, vector([[0, 1]])),
    section(7, vector([[...text('big'), 0, 0]])),
    section(10, [1, ...unsigned(body.length), ...body]),
  );
  refused(bytes, 'MODULE_TOO_LARGE', /A function is larger than 7654321 bytes with its guards \(in function 0 "big"/);
});

test('not a module: V8 says why', () => {
  refused(new Uint8Array(), 'MODULE_MALFORMED', /empty/);
  refused(Uint8Array.from([1, 2, 3]), 'MODULE_MALFORMED', /expected 4 bytes/);
  refused(new TextEncoder().encode('<!doctype html>'), 'MODULE_MALFORMED', /expected magic word/);
  const typeError = moduleBytes(
    section(1, vector([functionType({ parameters: [], results: ['i32'] })])),
    section(3, vector([[0]])),
    section(10, vector([functionBody([], [0x42, ...signed(1)])])),
  );
  refused(typeError, 'MODULE_MALFORMED', /type error in fallthru\[0\] \(expected i32, got i64\) \(at byte 0x/);
});
