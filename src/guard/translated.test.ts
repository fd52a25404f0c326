/** What is remembered of the pointers that were translated, on every path. */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { TranslatedPointers } from './translated.ts';

/** Most that are remembered. */
const ENTRIES_MAX = 24;
const SHIFT = 8;
const NONE = (): boolean => false;

let t: TranslatedPointers;

beforeEach(() => {
  t = new TranslatedPointers();
  t.begin(1_000_000);
});

/** Remembers value `value` of local `local`, checked for 8 bytes. */
function add(local: number, value: number, write = false): number {
  const entry = t.add(local, value, value);
  t.setChecked(entry, 0, 8, write);
  return entry;
}

const known = (value: number): boolean => t.find(value) >= 0;
const isChecked = (value: number, write = false): boolean => known(value) && t.isChecked(t.find(value), 0, 8, write);
const isMarked = (value: number, low: number, high: number): boolean =>
  known(value) && t.isMarked(t.find(value), low, high);

describe('entries', () => {
  test('are found by their value, and one is kept for each local', () => {
    add(3, 100);
    add(4, 101);
    assert.equal(t.localOf(t.find(100)), 3);
    assert.equal(t.localOf(t.find(101)), 4);
    assert.equal(t.find(102), -1);
    add(3, 102);
    assert.deepEqual([known(100), known(101), known(102)], [false, true, true]);
  });

  test('stay when the local is set, as long as nothing meets', () => {
    add(3, 100);
    t.set(3);
    assert.ok(isChecked(100));
    t.openBlock();
    assert.ok(known(100));
    t.branch(0);
    t.close(NONE);
    assert.ok(!known(100));
  });

  test('are forgotten, the oldest first, when there are too many', () => {
    for (let i = 0; i < ENTRIES_MAX; i += 1) add(i, 100 + i);
    assert.ok(known(100));
    add(50, 200);
    assert.deepEqual([known(100), known(101), known(200)], [false, true, true]);
    // One that takes the place of another forgets no other.
    add(50, 201);
    assert.deepEqual([known(101), known(200), known(201)], [true, false, true]);
  });

  test('know what was checked, for reading and for writing', () => {
    const entry = t.add(3, 100, 100);
    assert.ok(!t.isChecked(entry, 0, 1, false));
    t.setChecked(entry, 4, 12, false);
    assert.deepEqual(
      [
        [4, 12],
        [5, 8],
        [3, 8],
        [4, 13],
      ].map(([low = 0, high = 0]) => t.isChecked(entry, low, high, false)),
      [true, true, false, false],
    );
    assert.ok(!t.isChecked(entry, 4, 12, true));
    t.setChecked(entry, 0, 4, true);
    assert.ok(t.isChecked(entry, 0, 4, true) && t.isChecked(entry, 0, 4, false));
    assert.ok(!t.isChecked(entry, 4, 12, false));
  });

  test('know what was marked; marks that are not more than a chunk apart are one', () => {
    const entry = t.add(3, 100, 100);
    assert.ok(!t.isMarked(entry, 0, 1));
    t.addMarked(entry, 0, 65, SHIFT);
    assert.ok(t.isMarked(entry, 0, 65) && !t.isMarked(entry, 0, 66));
    t.addMarked(entry, 256, 256 + 65, SHIFT);
    assert.ok(t.isMarked(entry, 0, 256 + 65));
    t.addMarked(entry, 513, 513 + 65, SHIFT);
    assert.ok(t.isMarked(entry, 513, 513 + 65) && !t.isMarked(entry, 0, 65));
    t.addMarked(entry, 300, 365, SHIFT);
    assert.ok(t.isMarked(entry, 300, 513 + 65));
  });

  test('of one root know nothing of each other', () => {
    const one = t.add(3, 100, 99);
    const two = t.add(4, 101, 99);
    const other = t.add(5, 102, 102);
    for (const entry of [one, two, other]) {
      t.setChecked(entry, 0, 8, false);
      t.addMarked(entry, 0, 65, SHIFT);
    }
    t.replace(99, 101);
    assert.deepEqual([isChecked(100), isChecked(101), isChecked(102)], [false, true, true]);
    assert.deepEqual([isMarked(100, 0, 4), isMarked(101, 0, 4), isMarked(102, 0, 4)], [false, true, true]);
    assert.ok(known(100));
  });
});

describe('epochs', () => {
  test('end checks, and neither translations nor marks', () => {
    t.addMarked(add(3, 100), 0, 65, SHIFT);
    t.newEpoch();
    assert.ok(known(100) && !isChecked(100) && isMarked(100, 0, 65));
  });

  test('of one path end those of the others, where they meet', () => {
    add(3, 100);
    t.openIf();
    t.newEpoch();
    t.setChecked(t.find(100), 0, 8, false);
    t.close(NONE);
    assert.ok(known(100) && !isChecked(100));
    t.setChecked(t.find(100), 0, 8, false);
    t.openIf();
    t.otherwise();
    t.close(NONE);
    assert.ok(isChecked(100));
  });
});

describe('where paths meet', () => {
  test('is known what all know: the same value in the same local', () => {
    t.openIf();
    add(3, 100);
    add(4, 101);
    add(5, 102);
    t.otherwise();
    assert.deepEqual([known(100), known(101)], [false, false]);
    add(3, 100);
    add(5, 103);
    t.close(NONE);
    assert.deepEqual([known(100), known(101), known(102), known(103)], [true, false, false, false]);
  });

  test('what was checked and marked is what all have', () => {
    const path = (low: number, high: number, write: boolean, mark: number): void => {
      const entry = t.add(3, 100, 100);
      t.setChecked(entry, low, high, write);
      t.addMarked(entry, mark, mark + 65, SHIFT);
    };
    t.openIf();
    path(0, 16, true, 0);
    t.otherwise();
    path(8, 24, false, 8);
    t.close(NONE);
    const entry = t.find(100);
    assert.ok(t.isChecked(entry, 8, 16, false));
    for (const [low, high] of [
      [0, 16],
      [8, 24],
    ] as const)
      assert.ok(!t.isChecked(entry, low, high, false));
    assert.ok(!t.isChecked(entry, 8, 16, true));
    assert.ok(t.isMarked(entry, 8, 65) && !t.isMarked(entry, 0, 65) && !t.isMarked(entry, 8, 66));
    // Nothing in common.
    t.openIf();
    path(0, 8, true, 0);
    t.otherwise();
    path(16, 24, true, 200);
    t.close(NONE);
    assert.ok(known(100) && !t.isChecked(t.find(100), 0, 1, false) && !t.isMarked(t.find(100), 0, 1));
  });

  test('a path that goes on nowhere says nothing', () => {
    t.openIf();
    t.leave();
    t.otherwise();
    add(3, 100);
    t.close(NONE);
    assert.ok(isChecked(100));
    t.openIf();
    t.newEpoch();
    t.leave();
    t.close(NONE);
    assert.ok(isChecked(100));
  });

  test('branches go to the end of their block', () => {
    add(3, 100);
    t.openBlock();
    t.openBlock();
    add(4, 101);
    t.branch(1);
    add(5, 102);
    t.close(NONE);
    assert.deepEqual([known(100), known(101), known(102)], [true, true, true]);
    t.close(NONE);
    assert.deepEqual([known(100), known(101), known(102)], [true, true, false]);
  });

  test('of an if without else, what was known before is a path', () => {
    add(3, 100);
    t.openIf();
    add(4, 101);
    t.close(NONE);
    assert.deepEqual([known(100), known(101)], [true, false]);
    t.openIf();
    t.set(3);
    t.close(NONE);
    assert.ok(!known(100));
  });

  test('of an exception nothing is known', () => {
    add(3, 100);
    t.openBlock();
    add(4, 101);
    t.handle();
    assert.ok(!known(100) && !known(101));
    add(3, 100);
    t.close(NONE);
    // It was written again on one of the two paths only.
    assert.deepEqual([known(100), known(101)], [false, false]);
    t.openBlock();
    t.branchUnknown(0);
    t.close(NONE);
    assert.ok(!known(100));
  });
});

describe('loops', () => {
  test('keep what they do not change', () => {
    add(3, 100);
    add(4, 101);
    add(5, 102);
    t.set(5);
    t.openLoop((local) => local === 4, false);
    assert.deepEqual([isChecked(100), known(101), known(102)], [true, false, false]);
    // A branch to a loop goes to its header, and not to its end.
    add(6, 103);
    t.branch(0);
    t.close(NONE);
    assert.deepEqual([isChecked(100), known(103)], [true, true]);
  });

  test('that call begin with checks that are over', () => {
    t.addMarked(add(3, 100), 0, 65, SHIFT);
    t.openLoop(NONE, true);
    assert.ok(known(100) && !isChecked(100) && isMarked(100, 0, 65));
    t.close(NONE);
  });
});

test('blocks may be deep', () => {
  add(3, 100);
  for (let depth = 0; depth < 500; depth += 1) {
    if (depth % 2 === 0) t.openBlock();
    else t.openIf();
  }
  t.branch(400);
  for (let depth = 0; depth < 500; depth += 1) t.close(NONE);
  assert.ok(isChecked(100));
});
