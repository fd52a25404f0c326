/** For tests of the verifier: a guarded module with a function whose body is written by hand. */
import assert from 'node:assert/strict';
import { CONTROL_NOW_MS, HOME_DEADLINE_MS } from '../../core/layout.ts';
import { JordError } from '../errors.ts';
import { guardModule } from './guard.ts';
import { assembleBody, functionNamed, openModule, withBody } from './testing-edit.ts';
import { assemble } from './testing-wat.ts';
import type { FunctionType, GuardedModule, ValueType } from './types.ts';
import { verifyModule } from './verify.ts';

const HOST: ReadonlyMap<string, FunctionType> = new Map([
  ['jord.argbuf_new', { parameters: ['i32'], results: ['i32'] }],
  ['jord.time', { parameters: [], results: ['f64'] }],
]);

/** `subject` is (p, q, base) → i32: locals 0, 1, 2, and those of its own from 3 on. */
const SOURCE = `(module
  (import "jord" "argbuf_new" (func $argbuf_new (param i32) (result i32)))
  (memory 1 1)
  (global $g (mut i32) (i32.const 1)) (global $h (mut i64) (i64.const 2)) (global $c i32 (i32.const 3))
  (tag $tag (param i32))
  (table 3 funcref)
  (elem (i32.const 0) $other $nothing $argbuf_new)
  (data $segment "some bytes")
  (func $subject (export "subject") (param i32 i32) (result i32) (i32.const 0))
  (func $other (export "other") (param i32 i32) (result i32)
    (memory.init $segment (i32.const 0) (i32.const 0) (i32.const 1))
    (i32.store8 offset=100 (local.get 0) (i32.const 7))
    (i32.load offset=200 (local.get 1)))
  (func $nothing (export "nothing"))
  (func (export "handle") (param i32 i32) (result i32) (call $subject (local.get 0) (local.get 1))))`;

export const SUBJECT: GuardedModule = guardModule(assemble(SOURCE), { imports: HOST });

const open = openModule(SUBJECT);

/** Indices for texts: of functions, and of types (those that functions have). */
export const FUNCTIONS = {
  argbufNew: 0,
  subject: functionNamed(open, 'subject'),
  other: functionNamed(open, 'other'),
  nothing: functionNamed(open, 'nothing'),
  checkRead: functionNamed(open, 'jord:check-read'),
  checkWrite: functionNamed(open, 'jord:check-write'),
  lookUpRead: functionNamed(open, 'jord:look-up-read'),
  lookUpWrite: functionNamed(open, 'jord:look-up-write'),
  refuse: functionNamed(open, 'jord:refuse'),
  readableEnd: functionNamed(open, 'jord:readable-end'),
  writableEnd: functionNamed(open, 'jord:writable-end'),
  readRange: functionNamed(open, 'jord:read-range'),
  writeRange: functionNamed(open, 'jord:write-range'),
  copy: functionNamed(open, 'jord:memory.copy'),
  fill: functionNamed(open, 'jord:memory.fill'),
  grow: functionNamed(open, 'jord:memory.grow'),
  interrupted: functionNamed(open, 'jord:interrupted'),
  findRead: functionNamed(open, 'jord:find-read'),
  findWrite: functionNamed(open, 'jord:find-write'),
  initSegment: functionNamed(open, 'jord:memory.init 0'),
  init: functionNamed(open, 'jord:init'),
} as const;

export function typeOf(index: number): number {
  return open.parts.functions[index] ?? -1;
}

const LOCALS: readonly ValueType[] = ['i32', 'i32', 'i64', 'i32'];

function subject(text: string, locals: readonly ValueType[] = LOCALS): GuardedModule {
  return withBody(SUBJECT, 'subject', assembleBody(locals, text));
}

/** Whether V8 takes this body for `subject`. */
export function isValidBody(text: string): boolean {
  return WebAssembly.validate(subject(text).bytes);
}

/** Verifies the module with this body for `subject`. Bytes that V8 refuses would prove nothing about the verifier. */
export function verifyBody(text: string, locals: readonly ValueType[] = LOCALS): GuardedModule {
  const guarded = subject(text, locals);
  if (!WebAssembly.validate(guarded.bytes)) {
    new WebAssembly.Module(guarded.bytes);
    throw new Error('V8 refuses the module');
  }
  verify(guarded);
  return guarded;
}

export function verify(guarded: GuardedModule): void {
  verifyModule(guarded, { imports: HOST });
}

/** The deadline check at the entry of a function whose `base` is local 2. */
export const ENTRY_CHECK = `
  local.get 2; i32.load ${HOME_DEADLINE_MS}; i32.const 0; i32.load ${CONTROL_NOW_MS}; i32.sub; i32.const 0; i32.gt_s
  if; else; local.get 2; call ${FUNCTIONS.interrupted}; end`;

/** Checks [e, e + size), e in a local. */
export function checkVma(address: number, size: number, write: boolean): string {
  return `${callCheck(address, size, write)}; drop`;
}

/** The same, and leaves e. */
export function callCheck(address: number, size: number, write: boolean): string {
  return `
    local.get ${address}; i32.const ${size | (write ? 0x100 : 0)}; local.get 2
    call ${write ? FUNCTIONS.checkWrite : FUNCTIONS.checkRead}`;
}

/** Marks the chunk of local + offset. */
export function mark(address: number, offset = 0): string {
  const { chunkShift, mapOffset } = SUBJECT.layout;
  return `
    local.get 2; local.get ${address}; i32.const ${offset}; i32.add; i32.const ${chunkShift}; i32.shr_u; i32.add
    i32.const 1; i32.store8 ${mapOffset}`;
}

/** Leaves the translation of the pointer in a local, for [p + from, p + from + size); marks p + from when it is for writing. */
export function translate(address: number, from: number, size: number, write: boolean): string {
  const { memoryLimit, headerSize } = SUBJECT.layout;
  return `
    local.get ${address}; i32.const ${memoryLimit}; i32.lt_u
    if i32
      ${write ? mark(address, from) : ''}
      local.get 2; local.get ${address}; i32.add
    else
      local.get ${address}; i32.const ${from}; i32.add; local.set 6
      ${checkVma(6, size, write)}
      local.get ${address}; i32.const ${headerSize}; i32.sub
    end`;
}

/** What the verifier says; a failure when it accepts. */
export function refusalOf(verifyIt: () => void): JordError {
  try {
    verifyIt();
  } catch (error) {
    assert.ok(error instanceof JordError, String(error));
    return error;
  }
  return assert.fail('it was accepted');
}

/** The body must be refused, with this reason, and a place in `subject`. */
export function refused(text: string, reason: RegExp): void {
  const error = refusalOf(() => verifyBody(text));
  assert.equal(error.code, 'MODULE_UNPROVEN', error.message);
  assert.match(error.message, reason);
  assert.match(error.message, /\(in function \d+ "subject", at byte 0x[0-9a-f]+\)$/);
}

/** `if` the pointer in a local is in the home, its address is left; otherwise it traps. */
export const homeOnly = (local: number, limit = SUBJECT.layout.memoryLimit): string => `
  local.get ${local}; i32.const ${limit}; i32.ge_u; if; unreachable; end
  local.get 2; local.get ${local}; i32.add`;
