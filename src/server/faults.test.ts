import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEADLINE_FAR_MS,
  HOME_DEADLINE_MS,
  HOME_END_MS,
  HOME_FAULT_ACCESS,
  HOME_GLOBALS,
  HOME_INVOCATION,
  INVOCATION_CANCELLED,
  INVOCATION_TABLE,
} from '../../core/layout.ts';
import { CALLEE_CANCELLED, CALLEE_DEADLINE, CALLEE_MEMORY_FAULT, CALLEE_TRAP } from '../../core/status.ts';
import { TestSpace } from '../guard/testing.ts';
import { guardText } from '../guard/testing-wat.ts';
import { classifyFault, type Fault } from './faults.ts';

const space = new TestSpace();

const FAILING = `(module $shop
  (memory 1)
  (func $spinning (export "loop") (loop $l (br $l)))
  (func $leaf)
  (func $entered (export "entry") (call $leaf))
  (func $filling (export "bulk") (memory.fill (i32.const 0) (i32.const 0) (i32.const 1)))
  (func $reading (export "access") (drop (i32.load (i32.const -4))))
  (func $trapping (export "trap") (unreachable)))`;
const { instance, guarded } = guardText(space, FAILING);
const { base } = instance.home;

/** What a failing export is classified as; the backtrace without offsets. */
function faultOf(name: string): Fault {
  try {
    instance.call(name);
  } catch (error) {
    const header = new Uint32Array(space.memory.buffer, base, HOME_GLOBALS >>> 2);
    const fault = classifyFault('f', error, header, guarded.layout.memoryLimit);
    space.bytes.fill(0, base, base + HOME_FAULT_ACCESS + 4);
    assert.ok(fault !== undefined, String(error));
    const backtrace = fault.details.backtrace.map((frame) => frame.replace(/ at 0x[0-9a-f]+$/, ''));
    return { status: fault.status, details: { ...fault.details, backtrace } };
  }
  assert.fail(`${name} does not fail`);
}

const LOOKING = [
  ['loop', ['shop.spinning']],
  ['entry', ['shop.entered']],
  ['bulk', ['shop.filling']],
] as const;

test('a passed deadline: status, words, and a backtrace that begins in the function', () => {
  space.set32(base + HOME_DEADLINE_MS, 0);
  space.set32(base + HOME_END_MS, 0);
  for (const [name, backtrace] of LOOKING) {
    const details = { function: 'f', fault: 'deadline', reason: 'its deadline has passed', backtrace };
    assert.deepEqual(faultOf(name), { status: CALLEE_DEADLINE, details });
  }
});

test('a cancelled invocation: the same', () => {
  space.set32(base + HOME_END_MS, DEADLINE_FAR_MS);
  space.set32(base + HOME_INVOCATION, INVOCATION_TABLE);
  space.set32(INVOCATION_TABLE + INVOCATION_CANCELLED, 1);
  for (const [name, backtrace] of LOOKING) {
    space.set32(base + HOME_DEADLINE_MS, 0);
    const details = { function: 'f', fault: 'cancelled', reason: 'it was cancelled', backtrace };
    assert.deepEqual(faultOf(name), { status: CALLEE_CANCELLED, details });
  }
  space.set32(INVOCATION_TABLE + INVOCATION_CANCELLED, 0);
});

test('a refused access and a trap of the function itself', () => {
  const access = faultOf('access');
  assert.equal(access.status, CALLEE_MEMORY_FAULT);
  assert.deepEqual(access.details, {
    function: 'f',
    fault: 'memory-access',
    reason: 'it may not read 4 bytes at 0xfffffffc',
    address: '0xfffffffc',
    access: 'read',
    sizeBytes: 4,
    backtrace: ['shop.reading'],
  });
  const trap = faultOf('trap');
  assert.equal(trap.status, CALLEE_TRAP);
  const details = { function: 'f', fault: 'trap', reason: 'unreachable', backtrace: ['shop.trapping'] };
  assert.deepEqual(trap.details, details);
});

test('an error of the server is no fault', () => {
  assert.equal(classifyFault('f', new TypeError('x'), new Uint32Array(HOME_GLOBALS >>> 2), 65536), undefined);
});
