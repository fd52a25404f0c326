import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileAssemblyScript } from '../harness/assemblyscript.ts';
import { type Guest, type MakeImports, plainGuest } from '../harness/guest.ts';
import { createAddressSpace, guardedGuest } from '../harness/home.ts';
import { ARGBUF_KERNELS, KERNELS, kernelImports, startArgBufKernel, startKernel } from './kernels.ts';
import { expectedResult, quickJsImports, quickJsModule, startInterpreter } from './quickjs.ts';
import { SCRIPTS } from './quickjs-scripts.ts';
import { openDatabase, sqliteImports, sqliteModule } from './sqlite.ts';
import { fill, QUERIES } from './sqlite-queries.ts';

const space = createAddressSpace();

/** The same module plain and guarded: what works in one works in the other. */
function guests(bytes: Uint8Array, imports: MakeImports): readonly Guest[] {
  return [plainGuest(bytes, imports), guardedGuest(bytes, imports, space)];
}

test('a kernel computes what it says, twice', async () => {
  for (const guest of guests(await compileAssemblyScript('kernels/sha256.ts'), kernelImports)) {
    const run = startKernel(guest);
    assert.equal(run(), KERNELS['sha256']?.(), guest.variant);
    assert.equal(run(), KERNELS['sha256']?.(), guest.variant);
  }
});

for (const [name, kernel] of Object.entries(ARGBUF_KERNELS)) {
  test(`${name} computes in ArgBufs what it computes in its own memory, twice, and needs every byte of them`, async () => {
    const bytes = await compileAssemblyScript(`kernels/${kernel.source}.ts`);
    const expected = startArgBufKernel(plainGuest(bytes, kernelImports), kernel)();
    assert.notEqual(expected, 0);
    if (kernel.expected) assert.equal(expected, kernel.expected());
    const guarded = guardedGuest(bytes, kernelImports, space);
    const run = startArgBufKernel(guarded, kernel);
    assert.equal(run(), expected);
    assert.equal(run(), expected);
    if (kernel.shared) assert.throws(guarded.function('setup'), WebAssembly.RuntimeError);

    for (const shortened of kernel.lengths.keys()) {
      const lengths = kernel.lengths.map((length, index) => (index === shortened ? length - 1 : length));
      const guest = guardedGuest(bytes, kernelImports, space);
      assert.throws(() => startArgBufKernel(guest, { ...kernel, lengths })(), WebAssembly.RuntimeError);
    }
  });
}

test('QuickJS computes what V8 computes, and tells of exceptions', async () => {
  for (const guest of guests(await quickJsModule(), quickJsImports)) {
    const load = startInterpreter(guest);
    for (const [name, source] of Object.entries(SCRIPTS)) {
      assert.equal(load(source)(), expectedResult(source), `${name}, ${guest.variant}`);
    }
    assert.throws(() => load('throw new Error("on purpose")'), /on purpose/);
    assert.throws(() => load('function run() { return missing; }')(), /missing/);
    assert.equal(load('function run() { return new Date(86400000).getHours(); }')(), 0);
  }
});

test('SQLite answers what can be computed without it, and tells of errors', async () => {
  for (const guest of guests(await sqliteModule(), sqliteImports)) {
    const database = openDatabase(guest);
    fill(database);
    for (const [name, query] of Object.entries(QUERIES)) {
      const run = query.prepare(database);
      assert.equal(run(), query.expected(), `${name}, ${guest.variant}`);
      assert.equal(run(), query.expected(), `${name} again, ${guest.variant}`);
    }
    assert.throws(() => database.exec('SELECT id FROM nowhere'), /no such table/);
    assert.throws(() => database.prepare('SELEKT 1'), /syntax error/);
    assert.throws(() => database.exec("ATTACH '/tmp/file.db' AS other"), /unable to open/);
  }
});

test('a guest that needs more memory gets it, up to its limit', async () => {
  for (const guest of guests(await quickJsModule(), quickJsImports)) {
    const before = guest.memory().length;
    assert.equal(guest.growTo(before), true);
    assert.equal(guest.memory().length, before);
    assert.equal(guest.growTo(before + 1), true);
    assert.equal(guest.memory().length, before + 65536);
    assert.equal(guest.growTo(2 ** 32), false);
  }
});
