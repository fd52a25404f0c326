import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, JordError } from '../errors.ts';
import { checkKvRights, checkSpaceName, parseKvRight } from './kv-rights.ts';

function code(expected: ErrorCode, words: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof JordError && error.code === expected && words.test(error.message);
}

test('entries name a space and what may be done there', () => {
  const list = ['carts:rw', 'catalog.v2:ro', 'a:ro'];
  assert.deepEqual(checkKvRights(list), list);
  assert.deepEqual(checkKvRights([]), []);
  assert.deepEqual(parseKvRight('carts:rw'), { space: 'carts', rights: 'rw' });
  assert.deepEqual(parseKvRight('a-b_c:ro'), { space: 'a-b_c', rights: 'ro' });
});

test('what is no entry is refused with what one looks like', () => {
  for (const entry of ['carts', 'carts:', ':rw', 'carts:w', 'carts:RW', 'carts:rw ', 'a:b:rw', '', 7, null]) {
    assert.throws(() => parseKvRight(entry), code('BAD_OPTION', /as in catalog:ro or carts:rw/), String(entry));
  }
  for (const name of ['Carts', '-a', 'a..b', 'con', 'x'.repeat(65), 'a/b']) {
    assert.throws(() => parseKvRight(`${name}:ro`), code('KV_NAME_INVALID', /64 lower-case letters/), name);
    assert.throws(() => checkSpaceName(name), code('KV_NAME_INVALID', /cannot be the name of a space/), name);
  }
  assert.throws(() => checkSpaceName(undefined), code('KV_NAME_INVALID', /undefined/));
  assert.throws(() => parseKvRight('z'.repeat(500)), code('BAD_OPTION', /…/));
});

test('a list has 16 entries at most, and each space once', () => {
  const many = Array.from({ length: 17 }, (_, i) => `s${i}:ro`);
  assert.equal(checkKvRights(many.slice(1)).length, 16);
  assert.throws(() => checkKvRights(many), code('BAD_OPTION', /16 spaces at most, not 17/));
  assert.throws(() => checkKvRights(['a:ro', 'b:ro', 'a:rw']), code('BAD_OPTION', /a is there twice/));
  assert.throws(() => checkKvRights('a:ro' as never), code('BAD_OPTION', /is a list/));
});
