/** The model says what docs/abi.md says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACCESS_BULK, ACCESS_WRITE, RED_ZONE } from '../../core/layout.ts';
import { CLASS_EXHAUSTED, NOT_MAPPED, OK } from '../../core/status.ts';
import { ACCESS_WAIT, CALLEES, type HostCall, Model, ModelError, type ModelVma } from './model.ts';

const LIMIT = 131072;
const OWN = 0x8000_0000;
const READ = 0x8100_0000;
const VMAS: readonly ModelVma[] = [
  { start: OWN, length: 100, isOwned: true, canRead: true, canWrite: true },
  { start: READ, length: 128, isOwned: false, canRead: true, canWrite: false },
];
const FIRST_CALLEE = 65536;

function model(hostCalls: readonly HostCall[] = []): Model {
  const memory = { fill: () => {} } as unknown as Uint8Array;
  const options = { memory, memoryLimit: LIMIT, pages: 1, vmas: VMAS, reserved: [], firstCallee: FIRST_CALLEE };
  return new Model({ ...options, hostCalls });
}

test('single accesses', () => {
  const allowed = (pointer: number, offset: number, access: number): boolean =>
    !model().refuses(pointer, offset, access);
  assert.ok(allowed(0, 0, 8) && allowed(LIMIT - 8, 0, 8) && allowed(0, LIMIT - 8, 8 | ACCESS_WRITE));
  assert.ok(!allowed(LIMIT + RED_ZONE, 0, 1) && !allowed(LIMIT + RED_ZONE - 4, 0, 8) && !allowed(2 ** 31 - 8, 0, 8));
  assert.ok(allowed(OWN, 0, 8) && allowed(OWN + 92, 0, 8) && allowed(16, OWN, 8 | ACCESS_WRITE));
  assert.ok(!allowed(OWN + 93, 0, 8) && !allowed(OWN - 1, 0, 8) && !allowed(OWN + 100, 0, 1));
  assert.ok(allowed(READ, 0, 16) && !allowed(READ, 0, 16 | ACCESS_WRITE));
  // The sum has 33 bits.
  assert.ok(!allowed(2 ** 32 - 1, 1, 1) && !allowed(2 ** 31, 2 ** 31, 4));
  assert.ok(!allowed(0, 0, 4 | ACCESS_WAIT));
});

test('ranges, of which an empty one lies somewhere too', () => {
  const allowed = (pointer: number, length: number, access = ACCESS_BULK): boolean =>
    !model().refusesRange(pointer, length, access);
  assert.ok(allowed(0, LIMIT) && allowed(LIMIT, 0) && allowed(OWN, 100) && allowed(OWN + 100, 0) && allowed(READ, 128));
  assert.ok(!allowed(OWN, 101) && !allowed(OWN + 101, 0) && !allowed(LIMIT, RED_ZONE + 1) && !allowed(0, 2 ** 32 - 1));
  assert.ok(!allowed(READ, 1, ACCESS_BULK | ACCESS_WRITE) && !allowed(READ, 0, ACCESS_BULK | ACCESS_WRITE));
});

test('behind the limit the guarded run has the word', () => {
  const at = LIMIT + 8;
  const one = model();
  assert.ok(!one.refuses(at, 0, 4), 'it was not refused there');
  one.refusedThere = { address: at, access: 4 };
  one.allowedBefore = 1;
  assert.ok(!one.refuses(at, 0, 8), 'another access');
  assert.ok(!one.refuses(at, 0, 4), 'one was allowed before');
  assert.ok(one.refuses(at, 0, 4) && one.wasFree);
});

test('what a module without guard would have seen', () => {
  const plain = (use: (one: Model) => void): boolean => {
    const one = model([{ name: 'argbuf_free', parameters: [0], result: NOT_MAPPED }]);
    use(one);
    return one.isPlain;
  };
  assert.ok(plain((one) => one.refuses(65528, 0, 8)));
  assert.ok(!plain((one) => one.refuses(65529, 0, 8)), 'behind memory.size');
  assert.ok(!plain((one) => one.refuses(OWN, 0, 8)));
  assert.ok(plain((one) => one.grow(1)) && !plain((one) => one.grow(2)));
});

test('host functions: results are checked, permissions change', () => {
  const start = 0x8200_0000;
  const calls: HostCall[] = [
    { name: 'argbuf_new', parameters: [60], result: start | 0 },
    { name: 'argbuf_protect', parameters: [start | 0, 1], result: OK },
    { name: 'argbuf_resize', parameters: [start | 0, 129], result: 5 },
    { name: 'argbuf_length', parameters: [start | 0], result: 60 },
    { name: 'call', parameters: [FIRST_CALLEE + CALLEES.indexOf('sink'), start | 0], result: 0 },
    { name: 'argbuf_free', parameters: [start | 0], result: NOT_MAPPED },
    { name: 'argbuf_new', parameters: [2 ** 20], result: CLASS_EXHAUSTED },
  ];
  const one = model(calls);
  const next = (i: number): unknown => one.call(calls[i]?.name ?? '', calls[i]?.parameters ?? []);
  next(0);
  assert.ok(!one.refuses(start, 52, 8 | ACCESS_WRITE) && one.refuses(start, 53, 8));
  next(1);
  assert.ok(!one.refuses(start, 0, 8) && one.refuses(start, 0, 8 | ACCESS_WRITE));
  next(2);
  next(3);
  next(4);
  assert.ok(one.refuses(start, 0, 1), 'it was passed on');
  next(5);
  next(6);
  assert.ok(one.isComplete);
});

test('host functions that the guarded run must not have answered so', () => {
  const fails = (name: string, parameters: number[], result: number): void => {
    assert.throws(() => model([{ name, parameters, result }]).call(name, parameters), ModelError);
  };
  fails('argbuf_new', [60], OWN | 0);
  fails('argbuf_new', [60], 4096 * 17);
  fails('argbuf_free', [OWN | 0], NOT_MAPPED);
  fails('argbuf_free', [READ | 0], OK);
  fails('argbuf_protect', [OWN | 0, 2], OK);
  fails('argbuf_length', [OWN | 0], 99);
  fails('call', [FIRST_CALLEE, OWN | 0], 0);
  fails('call', [FIRST_CALLEE + 100, 0], 0);
  assert.throws(() => model().call('argbuf_new', [1]), ModelError, 'more calls than with guards');
});
