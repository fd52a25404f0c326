/** Loops that compare with signs, of counters and of what only seems to be one: they turn as often as without guards. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestSpace } from './testing.ts';
import { guardText } from './testing-wat.ts';

const space = new TestSpace();

/** How often a loop turns that begins with `start` in $i, and goes on by `condition` after `step`. */
const turns = (name: string, start: string, step: string, condition: string): string => `
  (func (export "${name}") (param $a i32) (result i32) (local $i i32) (local $n i32)
    (local.set $i ${start})
    (loop $l
      (if (i32.lt_u (local.get $n) (i32.const 100)) (then
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        ${step}
        (br_if $l ${condition}))))
    (local.get $n))
  (func (export "${name} before") (param $a i32) (result i32) (local $i i32) (local $n i32)
    (local.set $i ${start})
    (loop $l
      (if (i32.and ${condition} (i32.const 1)) (then
        (if ${condition} (then
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          ${step}
          (br_if $l (i32.lt_u (local.get $n) (i32.const 100))))))))
    (local.get $n))
  (func (export "${name} plain") (param $a i32) (result i32) (local $i i32) (local $n i32)
    (local.set $i ${start})
    (loop $l
      (if ${condition} (then
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        ${step}
        (if (i32.ge_u (local.get $n) (i32.const 100)) (then (return (i32.const 100))))
        (br $l))))
    (local.get $n))`;

const add = (text: string): string => `(local.set $i (i32.add (local.get $i) ${text}))`;
const below = (text: string): string => `(i32.lt_s (local.get $i) ${text})`;

const CASES: readonly (readonly [
  name: string,
  start: string,
  step: string,
  condition: string,
  wanted: readonly number[],
])[] = [
  // For a of -5, 0 and 7: how often the loop turns that asks before.
  ['up', '(i32.const 0)', add('(i32.const 1)'), below('(i32.const 10)'), [10, 10, 10]],
  ['from a', '(local.get $a)', add('(i32.const 1)'), below('(i32.const 10)'), [15, 10, 3]],
  ['from below', '(i32.const -5)', add('(i32.const 1)'), below('(i32.const 10)'), [15, 15, 15]],
  ['by a', '(i32.const 0)', add('(local.get $a)'), below('(i32.const 10)'), [100, 100, 2]],
  ['to a', '(i32.const 0)', add('(i32.const 1)'), below('(local.get $a)'), [0, 0, 7]],
  ['down', '(i32.const 9)', add('(i32.const -2)'), '(i32.ge_s (local.get $i) (i32.const 0))', [5, 5, 5]],
  ['over', '(i32.const 0)', add('(i32.const 0x40000000)'), '(i32.ge_s (local.get $i) (i32.const 0))', [2, 2, 2]],
  [
    'back',
    '(i32.const 0)',
    `${add('(i32.const 1)')} (if (i32.eq (local.get $n) (i32.const 3)) (then (local.set $i (i32.const -4))))`,
    below('(i32.const 10)'),
    [17, 17, 17],
  ],
  [
    'set',
    '(i32.const 0)',
    `${add('(i32.const 1)')} (if (i32.eq (local.get $n) (i32.const 3)) (then (local.set $i (local.get $a))))`,
    below('(i32.const 10)'),
    [18, 13, 6],
  ],
  ['greater', '(i32.const 0)', add('(i32.const 1)'), '(i32.gt_s (local.get $a) (local.get $i))', [0, 0, 7]],
  ['or equal', '(i32.const 0)', add('(i32.const 3)'), '(i32.le_s (local.get $i) (local.get $a))', [0, 1, 3]],
];

test('loops turn as often as without guards', () => {
  const source = `(module (memory 1) ${CASES.map(([name, start, step, condition]) => turns(name, start, step, condition)).join('\n')})`;
  const { instance } = guardText(space, source);
  for (const [name, , , , wanted] of CASES) {
    for (const [i, a] of [-5, 0, 7].entries()) {
      assert.equal(instance.call(`${name} plain`, a), wanted[i], `${name}, ${a}`);
      assert.equal(instance.call(`${name} before`, a), wanted[i], `${name} before, ${a}`);
      // Asked behind each turn, there is one at least.
      assert.equal(instance.call(name, a), Math.max(1, wanted[i] ?? 0), `${name} behind, ${a}`);
    }
  }
});
