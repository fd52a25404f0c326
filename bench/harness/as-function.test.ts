import assert from 'node:assert/strict';
import { test } from 'node:test';
import wabt from 'wabt';
import { asFunction, distinguish } from './as-function.ts';

async function assemble(text: string): Promise<Uint8Array> {
  const module = (await wabt()).parseWat('test.wat', text);
  return module.toBinary({}).buffer;
}

function instantiate(bytes: Uint8Array, imports: WebAssembly.Imports = {}): WebAssembly.Exports {
  return new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes)), imports).exports;
}

function call(exports: WebAssembly.Exports, name: string, ...parameters: number[]): unknown {
  const value = exports[name];
  assert.ok(typeof value === 'function', `${name} is exported`);
  return value(...parameters);
}

const WITH_IMPORTS = `(module
  (import "host" "first" (func $first (param i32)))
  (import "host" "second" (func $second (param f64 i64) (result f64)))
  (import "host" "memory" (memory 1 2))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "first") (call $first (i32.const 1)))
  (func (export "second") (result f64) (call $second (f64.const 1) (i64.const 2)))
  (table 1 funcref)
  (elem (i32.const 0) $second))`;

test('imported functions trap, others do what they did, and there is a handle', async () => {
  const bytes = asFunction(await assemble(WITH_IMPORTS));
  assert.deepEqual(
    WebAssembly.Module.imports(new WebAssembly.Module(new Uint8Array(bytes))).map(({ kind }) => kind),
    ['memory'],
  );
  const exports = instantiate(bytes, { host: { memory: new WebAssembly.Memory({ initial: 1, maximum: 2 }) } });
  assert.equal(call(exports, 'add', 2, 3), 5);
  assert.equal(call(exports, 'handle', 1, 2), 0);
  assert.throws(() => call(exports, 'first'), WebAssembly.RuntimeError);
  assert.throws(() => call(exports, 'second'), WebAssembly.RuntimeError);
});

test('a module without imports only gets its handle', async () => {
  const bytes = asFunction(await assemble('(module (func (export "seven") (result i32) (i32.const 7)))'));
  const exports = instantiate(bytes);
  assert.equal(call(exports, 'seven'), 7);
  assert.equal(call(exports, 'handle', 0, 0), 0);
});

test('an imported table is refused', async () => {
  const bytes = await assemble('(module (import "host" "table" (table 1 funcref)) (func (export "f")))');
  assert.throws(() => asFunction(bytes), RangeError);
});

test('distinguished modules differ from each other, and are valid', async () => {
  const bytes = asFunction(await assemble('(module (func (export "f")))'));
  const first = distinguish(bytes, 1);
  const second = distinguish(bytes, 12_345_678);
  assert.notDeepEqual(first, second);
  assert.ok('tag-00000001' in instantiate(first));
  assert.ok('tag-12345678' in instantiate(second));
});
