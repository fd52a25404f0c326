/** For tests: runs functions with guards and without, on the same memory, and compares what can be seen. */
import assert from 'node:assert/strict';
import { FAULT_NONE, PAGE_SIZE, PERMISSION_READ_WRITE, RED_ZONE, RESTORED_BEHIND } from '../../core/layout.ts';
import { nextAlone } from './alone.ts';
import { guardModule } from './guard.ts';
import { type TestHome, TestSpace } from './testing.ts';
import { PROGRAM_PAGES, PROGRAM_PLACES, PROGRAM_VMA_BYTES, PROGRAM_VMAS } from './testing-programs.ts';
import { assemble } from './testing-wat.ts';
import type { Alone, FunctionType, GuardedModule } from './types.ts';
import { verifyModule } from './verify.ts';

const IMPORTS: ReadonlyMap<string, FunctionType> = new Map([['jord.host', { parameters: ['i32'], results: ['i32'] }]]);
const LIMIT = PROGRAM_PAGES * PAGE_SIZE;
const HOME_BYTES = LIMIT + RED_ZONE;
const CLASS_SHIFT = 16;

const space = new TestSpace();
const plain = new TestSpace();
const pattern = Uint8Array.from({ length: HOME_BYTES }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 24) & 0xff);
// Pointers that a program can load.
for (const [i, place] of PROGRAM_PLACES.entries()) new DataView(pattern.buffer).setUint32(32 + 4 * i, place, true);

let base = 0;

/** A fresh home; all are at the same place, since the VMAs belong to it. */
function homeFor({ layout }: GuardedModule): TestHome {
  if (base === 0) {
    base = space.newHome(layout).base;
    space.giveGranule(128, CLASS_SHIFT);
    for (const start of PROGRAM_VMAS) space.map(start, PROGRAM_VMA_BYTES, base, PERMISSION_READ_WRITE);
  }
  return space.homeAt(base, layout);
}

function fill({ start }: TestHome): void {
  plain.bytes.set(pattern, 0);
  space.bytes.set(pattern, start);
  for (const vma of PROGRAM_VMAS) {
    for (const { bytes } of [plain, space]) bytes.set(pattern.subarray(0, PROGRAM_VMA_BYTES), vma);
  }
}

/** What a call does that can be seen: its result or how it ended, and what it asked of the host. */
function outcomeOf(call: () => unknown, log: number[]): { readonly ended: unknown; readonly asked: readonly number[] } {
  log.length = 0;
  let ended: unknown;
  try {
    ended = call();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) ended = error.message;
    else if (error instanceof WebAssembly.Exception) ended = 'an exception';
    else throw error;
  }
  return { ended, asked: [...log] };
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

function assertMemory({ start, layout }: TestHome): void {
  const now = space.bytes.subarray(start, start + HOME_BYTES);
  assert.ok(same(now, plain.bytes.subarray(0, HOME_BYTES)), 'the home is not as without guards');
  for (const vma of PROGRAM_VMAS) {
    const of = ({ bytes }: TestSpace): Uint8Array => bytes.subarray(vma, vma + PROGRAM_VMA_BYTES);
    assert.ok(same(of(space), of(plain)), 'a VMA is not as without guards');
  }
  const { mapOffset, chunkShift } = layout;
  const isMarked = (at: number): boolean => space.bytes[base + mapOffset + (at >>> chunkShift)] === 1;
  for (let at = 0; at < HOME_BYTES; at += 1) {
    if (now[at] === pattern[at]) continue;
    assert.ok(isMarked(at) || isMarked(Math.max(at - RESTORED_BEHIND, 0)), `byte ${at} was written without a mark`);
  }
}

export interface GuardedProgram {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly guarded: GuardedModule;
  /** How many times a function had to be guarded anew, access by access; see alone.ts. */
  readonly again: number;
}

/** Guards a module in the text format, as a deploy does, which has to be proven in the end. */
export function guardProgram(text: string): GuardedProgram {
  const bytes = assemble(text);
  let alone: Alone = new Set();
  for (let again = 0; ; again += 1) {
    const guarded = guardModule(bytes, { imports: IMPORTS, memoryLimitBytes: LIMIT, alone });
    try {
      verifyModule(guarded, { imports: IMPORTS });
      return { bytes, guarded, again };
    } catch (error) {
      const next = nextAlone(alone, error);
      if (next === undefined) throw error;
      alone = next;
    }
  }
}

/**
 * Calls an export of a module that has at least PROGRAM_PAGES of shared memory, and `jord.host` at most as a function of the host,
 * with guards and without: nothing may fault, results and memory must be the same, and what was written must be marked.
 */
export function compareCalls(
  { bytes, guarded }: Pick<GuardedProgram, 'bytes' | 'guarded'>,
  name: string,
  calls: readonly (readonly number[])[],
): void {
  const log: number[] = [];
  const host = (x: unknown): number => {
    log.push(Number(x));
    return (Math.imul(Number(x), 5) + 1) | 0;
  };
  const plainModule = new WebAssembly.Module(bytes);
  const instance = space.instantiate(guarded, homeFor(guarded), { 'jord.host': host });
  for (const parameters of calls) {
    const home = homeFor(guarded);
    fill(home);
    instance.init();
    const imports = { env: { memory: plain.memory }, jord: { host } };
    const without = new WebAssembly.Instance(plainModule, imports).exports[name];
    assert.ok(typeof without === 'function');
    const signed = parameters.map((parameter) => parameter | 0);
    const wanted = outcomeOf(() => without(...signed), log);
    const is = outcomeOf(() => instance.call(name, ...signed), log);
    assert.deepEqual(space.takeFault(home), { kind: FAULT_NONE, address: 0, access: 0 }, `called with ${signed}`);
    assert.deepEqual(is, wanted, `called with ${signed}`);
    assertMemory(home);
  }
}
