import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import wabt from 'wabt';
import * as status from '../../core/status.ts';
import { JordError } from '../errors.ts';
import { startWorkerServer } from '../server/worker-server.ts';
import { ABI_FUNCTIONS, ABI_IMPORTS, checkExports } from './abi.ts';

const page = await readFile(new URL('../../docs/abi.md', import.meta.url), 'utf8');

test('docs/abi.md lists the statuses of core/status.ts, no more and no fewer', () => {
  const documented = [...page.matchAll(/^\| (\d+) \| ([A-Z_]+) \| \S.* \|$/gm)].map(([, value, name]) => [
    name,
    Number(value),
  ]);
  const { STATUS_MAX, WAITS: _, ...defined } = status;
  assert.equal(STATUS_MAX, 65535);
  assert.deepEqual(Object.fromEntries(documented), { ...defined });
  assert.equal(new Set(Object.values(defined)).size, documented.length, 'each number once');
});

test('docs/abi.md lists the host functions with as many parameters as they have', () => {
  const documented = [...page.matchAll(/^\| `([a-z_]+)` \| `\((.*?)\) -> (.*?)` \|/gm)].map(
    ([, name, parameters, result]) => [
      name,
      { parameters: parameters === '' ? 0 : (parameters ?? '').split(', ').length, isFloat: result === 'f64' },
    ],
  );
  const defined = Object.entries(ABI_FUNCTIONS).map(([name, { parameters, results }]) => [
    name,
    { parameters: parameters.length, isFloat: results[0] === 'f64' },
  ]);
  assert.deepEqual(Object.fromEntries(documented), Object.fromEntries(defined));
  assert.equal(ABI_IMPORTS.size, defined.length);
});

test('the example in WebAssembly text of docs/abi.md works', async () => {
  const source = /```wat\n(.*?)```/s.exec(page)?.[1] ?? '';
  const module = (await wabt()).parseWat('example.wat', source);
  const server = await startWorkerServer({ executors: 0 });
  await server.deploy('capitals', new Uint8Array(module.toBinary({}).buffer));
  const { body } = await server.invoke('capitals', Buffer.from('Hello, grüße {z}'));
  assert.equal(Buffer.from(body).toString(), 'HELLO, GRüßE {Z}');
  assert.equal((await server.invoke('capitals', new Uint8Array(0))).body.length, 0);
  await server.stop();
});

test('a module without handle, or with one of another type, is refused with what it has instead', () => {
  const refusal = (exports: Parameters<typeof checkExports>[0]): string => {
    try {
      checkExports(exports);
    } catch (error) {
      assert.ok(error instanceof JordError && error.code === 'MODULE_EXPORT_MISSING');
      return error.message;
    }
    return 'accepted';
  };
  const handle = { name: 'handle', type: { parameters: ['i32', 'i32'], results: ['i32'] } } as const;
  assert.equal(refusal([handle]), 'accepted');
  assert.match(refusal([]), /must export the function "handle".*exports no function/);
  assert.match(refusal([{ ...handle, name: 'main' }]), /exports "main"/);
  const many = Array.from({ length: 20_000 }, (_, i) => ({ ...handle, name: `\x1b${i}` }));
  assert.match(refusal(many), /exports "\P{Cc}{1,300}, 19990 more\.$/u);
  assert.match(refusal([{ ...handle, type: { parameters: ['i32'], results: [] } }]), /"handle" as \(i32\) -> \(\)/);
  assert.match(refusal([handle, { ...handle, name: '_initialize' }]), /"_initialize"/);
});
