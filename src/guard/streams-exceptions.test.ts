/** Loops with exceptions whose accesses have a known range: labels of `delegate` and `rethrow` count blocks, and none are put between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestSpace } from './testing.ts';
import { assemble, guardText } from './testing-wat.ts';

type Sum = (pointer: number, count: number) => number;

const space = new TestSpace();

const sumWith = (inner: string): string => `
  (loop $l (if (i32.lt_u (local.get $i) (local.get $n)) (then
    (local.set $s (i32.add (local.get $s) (i32.load8_u (i32.add (local.get $p) (local.get $i)))))
    ${inner}
    (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $l))))`;
const add = (what: number): string => `(local.set $s (i32.add (local.get $s) (i32.const ${what})))`;
const moduleWith = (body: string): string => `(module (memory 2 2) (tag $t)
  (data (i32.const 100) "a few bytes to be added")
  (func (export "f") (param $p i32) (param $n i32) (result i32) (local $i i32) (local $s i32) ${body} (local.get $s)))`;

const SHAPES: Readonly<Record<string, string>> = {
  'delegate past a handler outside of the loop': `
    (try $outer (do
      (try $skipped (do
        ${sumWith(`(try (do (if (i32.eq (local.get $i) (i32.const 5)) (then (throw $t)))) (delegate $outer))`)})
      (catch_all ${add(100_000)})))
    (catch_all ${add(1000)}))`,
  'rethrow of what was caught outside of the loop': `
    (try (do
      (try $in (do (throw $t)) (catch_all
        ${sumWith(`(if (i32.eq (local.get $i) (i32.const 5)) (then (rethrow $in)))`)})))
    (catch_all ${add(1000)}))`,
  'a handler in the loop': sumWith(`
    (try (do (if (i32.eq (local.get $i) (i32.const 5)) (then (throw $t)))) (catch_all ${add(1000)}))`),
  'a throw out of the loop': `
    (try (do ${sumWith(`(if (i32.eq (local.get $i) (i32.const 5)) (then (throw $t)))`)}) (catch_all ${add(1000)}))`,
};

for (const [name, body] of Object.entries(SHAPES)) {
  test(`${name}: as without guards`, () => {
    const text = moduleWith(body);
    const plain = new WebAssembly.Instance(new WebAssembly.Module(assemble(text))).exports['f'] as Sum;
    const { instance } = guardText(space, text);
    for (const [pointer, count] of [
      [100, 3],
      [100, 10],
      [90, 40],
      [131_000, 20],
    ] as const) {
      assert.equal(instance.call('f', pointer, count), plain(pointer, count), `${pointer}, ${count}`);
    }
  });
}
