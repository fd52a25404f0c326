import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JordError } from '../errors.ts';
import { checkFunctionName, isFunctionName } from './name.ts';

test('names that are allowed', () => {
  for (const name of [
    'a',
    '7',
    'hello',
    'image-resize',
    'image_resize',
    'a.b.c',
    'v2.1-rc_1',
    'a--b',
    'x'.repeat(64),
    'console',
    'com',
    'com0',
    'com10',
    'a.con',
    'nul-1',
  ]) {
    assert.equal(isFunctionName(name), true, name);
  }
});

test('names that are refused', () => {
  const refused = [
    '',
    '.',
    '..',
    '../x',
    'a/b',
    'a\\b',
    'a..b',
    '.a',
    'a.',
    '-a',
    'a-',
    '_a',
    'A',
    'ä',
    'a b',
    'a\n',
    'a\0',
    'x'.repeat(65),
    ...['con', 'prn', 'aux', 'nul', 'com1', 'com9', 'lpt1', 'lpt9', 'con.v2', 'com1.a.b'],
  ];
  for (const name of refused) {
    assert.equal(isFunctionName(name), false, JSON.stringify(name));
    assert.throws(
      () => checkFunctionName(name),
      (error) => error instanceof JordError && error.code === 'FUNCTION_NAME_INVALID',
    );
  }
});

test('a message about a very long name stays short', () => {
  assert.throws(
    () => checkFunctionName('x'.repeat(100_000)),
    (error) => error instanceof JordError && error.message.length < 400,
  );
});

test('an allowed name is a file name and a URL segment as it stands', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'abz09-_./A% ~'), maxLength: 70 }), (name) => {
      fc.pre(isFunctionName(name));
      assert.equal(encodeURIComponent(name), name);
      assert.equal(new URL(`http://host/fn/${name}`).pathname, `/fn/${name}`);
      assert.ok(!name.startsWith('.') && !name.startsWith('-') && name.length <= 64);
    }),
  );
});
