import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MEMORY_FORMS } from '../memory-forms.ts';
import { assemble } from './assemble.ts';
import type { ModuleCode } from './code.ts';
import { generateCase } from './generate.ts';
import { shrink } from './shrink.ts';

const OPTIONS = { firstCallee: 65536 };

function addressesOf({ vmas }: { readonly vmas: readonly unknown[] }): number[] {
  return vmas.map((_, i) => 2 ** 31 + i * 65536);
}

/** Kinds of nodes and names of instructions, with how often each is there. */
function census(module: ModuleCode, counts: Map<string, number>): void {
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const { kind, form, shape, callee } = node as Record<string, unknown>;
    if (typeof kind === 'string') count(kind);
    if (typeof shape === 'string') count(`loop ${shape}`);
    if (typeof callee === 'string') count(`call ${callee}`);
    if (typeof form === 'object' && form !== null) count((form as { name: string }).name);
    for (const [key, child] of Object.entries(node)) if (key !== 'form') visit(child);
  };
  visit(module.functions);
}

test('all modules are valid, and together they have every access and every construct', () => {
  const counts = new Map<string, number>();
  for (let number = 0; number < 400; number++) {
    const made = generateCase(2, number, OPTIONS);
    assert.ok(WebAssembly.validate(assemble(made.module, addressesOf(made))), `case ${number}`);
    census(made.module, counts);
  }
  const constructs = `group if choice block loop carried select tee branch|branch table|leave if|try throw return|tail call|set both|do
    indirect copy fill init|forget segment|grow size|set global|loop until|loop while|loop for|loop down|loop equal
    |call argbuf_new|call argbuf_free|call argbuf_protect|call argbuf_resize|call call|call permission`;
  const names = constructs
    .split('|')
    .flatMap((part) =>
      /^(?!call |loop |set |branch |leave |tail |forget )/.test(part) ? part.trim().split(/\s+/) : [part.trim()],
    );
  for (const name of [...names, ...MEMORY_FORMS.map((form) => form.name)]) assert.ok((counts.get(name) ?? 0) > 0, name);
});

test('a seed makes the same case each time, another one another', () => {
  assert.deepEqual(generateCase(3, 4, OPTIONS), generateCase(3, 4, OPTIONS));
  assert.notDeepEqual(generateCase(3, 4, OPTIONS), generateCase(3, 5, OPTIONS));
  assert.notDeepEqual(generateCase(3, 4, OPTIONS), generateCase(4, 4, OPTIONS));
});

test('shrinking leaves what a case fails for, and a valid module', () => {
  const has = (module: ModuleCode): boolean => {
    const counts = new Map<string, number>();
    census(module, counts);
    return (counts.get('fill') ?? 0) > 0;
  };
  let number = 0;
  while (!has(generateCase(5, number, OPTIONS).module)) number += 1;
  const start = generateCase(5, number, OPTIONS);
  const valid = (candidate: typeof start): boolean => {
    try {
      return WebAssembly.validate(assemble(candidate.module, addressesOf(candidate)));
    } catch {
      return false;
    }
  };
  const small = shrink(start, (candidate) => valid(candidate) && has(candidate.module), 20_000);
  assert.ok(valid(small) && has(small.module));
  const size = (module: ModuleCode): number => {
    const counts = new Map<string, number>();
    census(module, counts);
    return [...counts.values()].reduce((sum, count) => sum + count, 0);
  };
  assert.ok(size(start.module) > 100 && size(small.module) < 15, `${size(start.module)} became ${size(small.module)}`);
});
