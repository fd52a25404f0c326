import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ABI_IMPORTS } from '../functions/abi.ts';
import { guardModule } from '../guard/guard.ts';
import { assembleBody, withBody } from '../guard/testing-edit.ts';
import { assemble } from '../guard/testing-wat.ts';
import { compileProven } from './proven-module.ts';

const SOURCE = `(module (memory 1)
  (func $handle (export "handle") (param i32 i32) (result i32) (i32.load8_u (local.get 0))))`;

test('a proven module is compiled', async () => {
  const guarded = guardModule(assemble(SOURCE), { imports: ABI_IMPORTS });
  const module = await compileProven(guarded);
  assert.deepEqual(
    WebAssembly.Module.exports(module).map(({ name }) => name),
    ['handle', 'jord:init'],
  );
});

test('a module that is not proven is refused, valid or not', async () => {
  const guarded = guardModule(assemble(SOURCE), { imports: ABI_IMPORTS });
  const unguarded = withBody(guarded, 'handle', assembleBody([], 'local.get 0; i32.load8_u'));
  assert.ok(WebAssembly.validate(unguarded.bytes));
  await assert.rejects(compileProven(unguarded), { code: 'MODULE_UNPROVEN' });
  const invalid = withBody(guarded, 'handle', assembleBody([], 'local.get 0; i32.load8_u; i64.eqz'));
  assert.ok(!WebAssembly.validate(invalid.bytes));
  await assert.rejects(compileProven(invalid), { code: 'MODULE_UNPROVEN' });
  // What is proven and not valid is V8's to refuse: types are not looked at twice.
  const mistyped = withBody(guarded, 'handle', assembleBody([], 'i64.const 0'));
  await assert.rejects(compileProven(mistyped), { code: 'INTERNAL' });
});

test('no module of a function is made in any other way', () => {
  const root = join(import.meta.dirname, '..');
  const makers = globSync('**/*.ts', { cwd: root })
    .filter((file) => !/\.(?:test|fixture)\.ts$/.test(file) && !/guard\/testing/.test(file))
    .filter((file) => /WebAssembly\.(?:compile|instantiate|Module\()/.test(readFileSync(join(root, file), 'utf8')))
    .sort();
  assert.deepEqual(makers, [
    // Looks at the imports of what it has compiled.
    'functions/compile-worker.ts',
    // Asks V8 why it refuses a module.
    'guard/guard.ts',
    // The server's own.
    'server/privlib.ts',
    'server/proven-module.ts',
    'server/trap.ts',
  ]);
});
