/** What all applications have in common. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { isFailure, pickRequest, type RequestKind } from './application.ts';
import { utf8 } from './bytes.ts';
import { applicationNames, applicationOf } from './deploy.ts';
import { Random } from './random.ts';

/** Of a source and of the files of the application that it imports. */
async function wholeSource(file: string, seen: Set<string> = new Set()): Promise<string> {
  if (seen.has(file)) return '';
  seen.add(file);
  const source = await readFile(file, 'utf8');
  const imports = [...source.matchAll(/from '(\.[^']+)'/g)].map(([, path = '']) => join(dirname(file), `${path}.ts`));
  const others = await Promise.all(imports.map((path) => wholeSource(path, seen)));
  return source + others.join('');
}

test('applications say whom their functions call, and which spaces they open', async () => {
  const names = await applicationNames();
  assert.ok(names.includes('boutique') && names.includes('hotel'));
  for (const name of names) {
    const { functions, spaces } = await applicationOf(name);
    const own = new Set(functions.map((fn) => fn.name));
    assert.equal(own.size, functions.length);
    for (const fn of functions) {
      assert.ok(fn.name.startsWith(`${name}-`), fn.name);
      const source = await wholeSource(fn.source);
      // A space may be called as a function is.
      const others = source.replace(/Space\.open\([^)]*\)/g, '');
      const called = [...own].filter((callee) => others.includes(`'${callee}'`));
      assert.deepEqual([...fn.calls].sort(), called.sort(), fn.name);
      const opened = [...source.matchAll(/Space\.open\('([^']+)'\)/g)].map(([, space = '']) => space);
      assert.deepEqual(fn.kv.map((right) => right.replace(/:r[ow]$/, '')).sort(), [...new Set(opened)].sort(), fn.name);
    }
    const used = new Set(functions.flatMap(({ kv }) => kv.map((right) => right.replace(/:r[ow]$/, ''))));
    assert.deepEqual([...used].sort(), spaces.map((space) => space.name).sort());
  }
});

test('a request is picked as often as its weight says', () => {
  const kind = (name: string, weight: number): RequestKind => ({
    name,
    weight,
    request: () => ({ function: name, body: utf8('') }),
  });
  const mix = [kind('never', 0), kind('often', 3), kind('sometimes', 1), kind('never again', 0)];
  const random = new Random(1);
  const counts: Record<string, number> = {};
  for (let i = 0; i < 10_000; i += 1) {
    const { function: name } = pickRequest(mix, random);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  assert.deepEqual(Object.keys(counts).sort(), ['often', 'sometimes']);
  assert.ok(Math.abs((counts['often'] ?? 0) - 7500) < 200);
  assert.throws(() => pickRequest([kind('never', 0)], random), RangeError);
});

test('failures are told from answers', () => {
  assert.ok(isFailure(utf8('{"error":{"code":"x","message":"y"}}')));
  assert.ok(!isFailure(utf8('{"error"')) && !isFailure(utf8('')) && !isFailure(utf8('{"message":"error"}')));
});

test('random numbers are the same for a seed, and spread evenly', () => {
  const [left, right, other] = [7, 7, 8].map((seed) => new Random(seed)) as [Random, Random, Random];
  const numbers = Array.from({ length: 10_000 }, () => left.below(10));
  assert.deepEqual(
    numbers,
    Array.from({ length: 10_000 }, () => right.below(10)),
  );
  assert.notDeepEqual(
    numbers,
    Array.from({ length: 10_000 }, () => other.below(10)),
  );
  for (let digit = 0; digit < 10; digit += 1) {
    assert.ok(Math.abs(numbers.filter((number) => number === digit).length - 1000) < 150);
  }
  assert.deepEqual(left.sample([1, 2, 3], 5).sort(), [1, 2, 3]);
});
