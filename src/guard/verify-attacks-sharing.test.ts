/**
 * Attacks on what lets accesses share a check, a mark or a mask: facts of the second arm of an `if`, marks that are put together,
 * results of checks, masked addresses. What is accepted and could do harm is run.
 *
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { uniformSource } from '../../bench/harness/random.ts';
import * as L from '../../core/layout.ts';
import { harmOf } from '../../test/mutation/oracle.ts';
import { VMAS, World } from '../../test/mutation/world.ts';
import { JordError } from '../errors.ts';
import { guardModule } from './guard.ts';
import { TestSpace } from './testing.ts';
import { assembleBody, functionNamed, openModule, withBody } from './testing-edit.ts';
import {
  callCheck,
  checkVma,
  ENTRY_CHECK,
  FUNCTIONS,
  mark,
  refusalOf,
  refused,
  SUBJECT,
  verifyBody,
} from './testing-verify.ts';
import { assemble } from './testing-wat.ts';
import type { FunctionType, GuardedModule, HomeLayout } from './types.ts';
import { verifyModule } from './verify.ts';

const { headerSize: H, memoryLimit: LIMIT, chunkShift } = SUBJECT.layout;
const CHUNK = 2 ** chunkShift;
const COVERED = 1 + L.RESTORED_BEHIND;

const IF_SMALL = 'local.get 0; i32.const 1000; i32.lt_u; if';
const IF_LARGE = 'local.get 0; i32.const 1000; i32.ge_u; if';
const check = checkVma(0, 4, false);
const call = `local.get 0; local.get 1; local.get 2; call ${FUNCTIONS.other}; drop`;

/** Reads at the pointer where that is at least so large. */
const readFrom = (bound: number): string =>
  `local.get 0; i32.const ${bound}; i32.ge_u; if; local.get 0; i32.load; drop; end; i32.const 0`;
/** Writes at the pointer + offset where the pointer is below `end`. */
const writeBelow = (end: number, offset = 0): string => `
  local.get 0; i32.const ${end}; i32.lt_u
  if; local.get 2; local.get 0; i32.add; local.get 1; i32.store8 ${H + offset}; end; i32.const 0`;

describe('what the second arm has learned', () => {
  test('a check holds from where the first arm ends', () => {
    const text = (bound: number): string => `${IF_SMALL}; else; ${check}; end; ${readFrom(bound)}`;
    verifyBody(text(1000));
    verifyBody(text(1001));
    refused(text(999), /without a check/);
    refused(`${IF_SMALL}; else; ${check}; end; local.get 0; i32.load`, /without a check/);
    // Beside what was checked.
    refused(
      `${IF_SMALL}; else; ${check}; end
       local.get 0; i32.const 1000; i32.ge_u; if; local.get 0; i64.load; drop; end; i32.const 0`,
      /without a check/,
    );
  });

  test('a mark holds up to where the first arm begins', () => {
    const text = (end: number): string => `${IF_LARGE}; else; ${mark(0)}; end; ${writeBelow(end)}`;
    verifyBody(text(1000));
    verifyBody(text(999));
    refused(text(1001), /without a mark/);
    refused(text(LIMIT), /without a mark/);
  });

  test('the wrong way round', () => {
    refused(`${IF_LARGE}; else; ${check}; end; ${readFrom(0)}`, /without a check/);
    refused(`${IF_LARGE}; else; ${check}; end; ${readFrom(1000)}`, /without a check/);
    refused(
      `${IF_SMALL}; else; local.get 0; i32.const ${LIMIT}; i32.ge_u; if; unreachable; end; ${mark(0)}; end; ${writeBelow(1000)}`,
      /without a mark/,
    );
  });

  test('arms that are not apart, or by another value', () => {
    const apart = (first: string, second: string): string => `
      local.get 1; if; ${first}; else; ${second}; ${check}; end; ${readFrom(1000)}`;
    const trapUnless = (how: string, bound: number): string =>
      `local.get 0; i32.const ${bound}; ${how}; i32.eqz; if; unreachable; end`;
    verifyBody(apart(trapUnless('i32.lt_u', 1000), trapUnless('i32.ge_u', 1000)));
    verifyBody(apart(trapUnless('i32.lt_u', 900), trapUnless('i32.ge_u', 1000)));
    refused(apart(trapUnless('i32.lt_u', 1001), trapUnless('i32.ge_u', 1000)), /without a check/);
    refused(apart(trapUnless('i32.ge_u', 1), trapUnless('i32.ge_u', 1000)), /without a check/);
    refused(apart('', trapUnless('i32.ge_u', 1000)), /without a check/);
    // The other parameter is what they differ in.
    refused(`local.get 1; i32.const 9; i32.lt_u; if; else; ${check}; end; ${readFrom(1000)}`, /without a check/);
  });

  test('paths beside the two', () => {
    const late = `${IF_SMALL}; else; local.get 1; br_if 0; ${check}; end; ${readFrom(1000)}`;
    refused(late, /without a check/);
    refused(
      `${IF_SMALL}; unreachable; else; local.get 1; br_if 0; ${check}; end; ${readFrom(1000)}`,
      /without a check/,
    );
    refused(`${IF_SMALL}; else; local.get 1; if; ${check}; else; br 1; end; end; ${readFrom(1000)}`, /without a check/);
    refused(`block; ${IF_SMALL}; else; ${check}; end; br 0; end; ${readFrom(999)}`, /without a check/);
    refused(`block; local.get 1; br_if 0; ${IF_SMALL}; else; ${check}; end; end; ${readFrom(1000)}`, /without a check/);
    // An exception of the second arm goes to its end.
    refused(
      `${ENTRY_CHECK}; ${IF_SMALL}; else; try_table - :0; ${call}; end; ${check}; end; ${readFrom(1000)}`,
      /without a check/,
    );
  });

  test('a check that is over, or about something else by then', () => {
    const arms = (first: string, second: string): string =>
      `${ENTRY_CHECK}; ${IF_SMALL}; ${first}; else; ${second}; end; ${readFrom(1000)}`;
    verifyBody(arms('', check));
    refused(arms('', `${check}; ${call}`), /without a check/);
    refused(arms(call, check), /without a check/);
    refused(arms('', `${check}; local.get 0; i32.const 4; i32.add; local.set 0`), /without a check/);
    refused(arms('local.get 1; local.set 0', check), /without a check/);
    refused(
      arms('', `${check}; local.get 0; i32.const 100; i32.add; local.tee 3; drop; ${checkVma(3, 4, false)}`),
      /without a check/,
    );
    refused(`${ENTRY_CHECK}; ${IF_SMALL}; else; ${check}; end; ${call}; ${readFrom(1000)}`, /without a check/);
  });

  test('an arm in an arm', () => {
    const inner = `local.get 0; i32.const 5000; i32.lt_u; if; else; ${check}; end`;
    const text = (bound: number): string => `${IF_SMALL}; else; ${inner}; end; ${readFrom(bound)}`;
    // What is conditional already is not looked at: no harm, but no use.
    refused(text(1000), /without a check/);
    refused(text(4999), /without a check/);
  });
});

describe('marks that are put together', () => {
  const two = (first: number, second: number): string =>
    `local.get 0; i32.const ${LIMIT - 2 * CHUNK}; i32.ge_u; if; unreachable; end; ${mark(0, first)}; ${mark(0, second)}`;
  const write = (offset: number): string =>
    `local.get 2; local.get 0; i32.add; local.get 1; i32.store8 ${H + offset}; i32.const 0`;

  test('a chunk apart, in either order', () => {
    for (const [first, second] of [
      [0, CHUNK],
      [CHUNK, 0],
    ] as const) {
      for (const offset of [0, COVERED, CHUNK - 1, CHUNK, CHUNK + COVERED - 1])
        verifyBody(`${two(first, second)}; ${write(offset)}`);
      refused(`${two(first, second)}; ${write(CHUNK + COVERED)}`, /without a mark/);
    }
  });

  test('more than a chunk apart', () => {
    for (const [first, second] of [
      [0, CHUNK + 1],
      [CHUNK + 1, 0],
    ] as const) {
      refused(`${two(first, second)}; ${write(COVERED)}`, /without a mark/);
      refused(`${two(first, second)}; ${write(CHUNK)}`, /without a mark/);
      verifyBody(`${two(first, second)}; ${write(second)}`);
    }
  });

  test('all of a chunk, and one behind it', () => {
    const { mapOffset } = SUBJECT.layout;
    const whole = `local.get 2; i32.const 1; i32.store8 ${mapOffset + 2}`;
    const at = (index: number): string => `i32.const ${index}; local.set 3; ${mark(3)}`;
    const put = (place: number): string => `local.get 2; local.get 1; i32.store8 ${H + place}; i32.const 0`;
    const end = 3 * CHUNK;
    verifyBody(`${whole}; ${at(end - 1 + CHUNK)}; ${put(end - 1 + CHUNK)}`);
    verifyBody(`${whole}; ${at(end - 1 + CHUNK)}; ${put(end + 100)}`);
    refused(`${whole}; ${at(end + CHUNK)}; ${put(end + 100)}`, /without a mark/);
    verifyBody(`${at(CHUNK)}; ${whole}; ${put(CHUNK + 100)}`);
    refused(`${at(CHUNK - 1)}; ${whole}; ${put(CHUNK + 100)}`, /without a mark/);
  });

  test('one of them for some pointers only', () => {
    const some = (limit: number, end: number): string => `
      local.get 0; i32.const ${limit}; i32.lt_u; if; ${mark(0)}; end
      local.get 0; i32.const ${end}; i32.ge_u; if; unreachable; end
      ${mark(0, CHUNK)}; ${write(COVERED)}`;
    verifyBody(some(1000, 1000));
    refused(some(1000, 1001), /without a mark/);
  });
});

/** With masks. `subject` is (p, q, base) → i32, and 3 to 6 are locals of its own. */
const HOST: ReadonlyMap<string, FunctionType> = new Map([['jord.probe', { parameters: ['i32'], results: ['i32'] }]]);
const MASKED = guardModule(
  assemble(`(module (import "jord" "probe" (func $probe (param i32) (result i32))) (memory 1 1)
    (func $subject (export "subject") (param i32 i32) (result i32)
      (i32.store8 (local.get 0) (call $probe (local.get 1)))
      (i32.const 0)))`),
  { imports: HOST, maskAddresses: true },
);
const opened = openModule(MASKED);
const CHECK = { read: functionNamed(opened, 'jord:check-read'), write: functionNamed(opened, 'jord:check-write') };
const { addressMask: MASK } = MASKED.layout;

function masked(text: string): GuardedModule {
  const guarded = withBody(MASKED, 'subject', assembleBody(['i32', 'i32', 'i32', 'i32'], text));
  assert.ok(WebAssembly.validate(guarded.bytes));
  return guarded;
}

function verifyMasked(text: string): GuardedModule {
  const guarded = masked(text);
  verifyModule(guarded, { imports: HOST });
  return guarded;
}

function refusedMasked(text: string, reason: RegExp): void {
  assert.match(refusalOf(() => verifyMasked(text)).message, reason);
}

const checkMasked = (offset: number, size: number, how: 'read' | 'write' = 'read'): string => `
  local.get 0; i32.const ${offset}; i32.add; i32.const ${size | (how === 'write' ? 0x100 : 0)}; local.get 2
  call ${CHECK[how]}`;

/** What the oracle sees when the module is run with this pointer, if the verifier lets it pass. */
function harmIfAccepted(
  guarded: GuardedModule,
  imports: ReadonlyMap<string, FunctionType>,
  pointer: number,
): string | undefined {
  try {
    verifyModule(guarded, { imports });
  } catch (error) {
    assert.ok(error instanceof JordError);
    return undefined;
  }
  const world = new World(space, guarded.layout);
  const calls = [{ name: 'subject', parameters: () => [[pointer | 0, 7]] }];
  const host = { 'jord.probe': () => 1, 'jord.argbuf_new': () => 0, 'jord.time': () => 0 };
  return harmOf(guarded, world, calls, () => host, uniformSource(1));
}

const space = new TestSpace();
const SLOT = 128;

describe('a check of no bytes', () => {
  // Its result is where the VMA begins, and is taken for the address.
  test('and a read at a distance of its result', () => {
    const guarded = masked(
      `${checkMasked(0, 1)}; drop; ${checkMasked(0, 0)}; local.set 3; ${checkMasked(129, 4)}; drop; local.get 3; i32.load 129`,
    );
    assert.equal(harmIfAccepted(guarded, HOST, VMAS + 4 * SLOT + 127), undefined);
  });

  test('and a write', () => {
    const text = `${checkMasked(0, 1, 'write')}; drop; ${checkMasked(0, 0, 'write')}; local.set 3
      ${checkMasked(157, 4, 'write')}; drop; local.get 3; local.get 1; i32.store 157; i32.const 0`;
    assert.equal(harmIfAccepted(masked(text), HOST, VMAS + 2 * SLOT + 99), undefined);
  });

  // It passes where HOME_LAST_READ_START is the address, without a look at a VTE: so the function learns that word.
  test('tells what the header holds, also without masks', () => {
    const guarded = withBody(SUBJECT, 'subject', assembleBody(['i32'], `${callCheck(0, 0, false)}; drop; i32.const 1`));
    const imports = new Map<string, FunctionType>([
      ['jord.argbuf_new', { parameters: ['i32'], results: ['i32'] }],
      ['jord.time', { parameters: [], results: ['f64'] }],
    ]);
    assert.equal(harmIfAccepted(guarded, imports, 0), undefined);
  });
});

describe('masked addresses', () => {
  const below = (end: number): string => `local.get 0; i32.const ${end}; i32.ge_u; if; unreachable; end`;
  const inHome = `local.get 2; local.get 0; i32.const ${MASK}; i32.and; i32.add`;

  test('what is not masked', () => {
    verifyMasked(`${below(LIMIT)}; ${inHome}; i32.load ${MASKED.layout.headerSize}`);
    verifyMasked(`${checkMasked(0, 4)}; i32.load`);
    refusedMasked(`${below(LIMIT)}; local.get 2; local.get 0; i32.add; i32.load ${H}`, /computation with a value/);
    refusedMasked(`${checkMasked(0, 4)}; drop; local.get 0; i32.load`, /without a check/);
    refusedMasked(
      `${below(LIMIT)}; local.get 2; local.get 0; i32.const 0; i32.shr_u; i32.add; i32.load ${H}`,
      /not masked/,
    );
    // Masked before it was compared: another number.
    refusedMasked(`${inHome}; i32.load ${H}`, /computation with a value/);
    refusedMasked(
      `${below(LIMIT)}; local.get 2; local.get 0; i32.const ${MASK >>> 1}; i32.and; i32.add; i32.load ${H}`,
      /computation with a value/,
    );
    // Where it was not compared on one of the paths.
    refusedMasked(
      `local.get 1; if; ${below(LIMIT)}; local.get 0; i32.const ${MASK}; i32.and; local.set 3; else; local.get 0; local.set 3; end
       local.get 2; local.get 3; i32.add; i32.load ${H}`,
      /computation with a value/,
    );
  });

  test('a shift by nothing, by way of a translation', () => {
    refusedMasked(
      `${below(LIMIT)}; block; local.get 2; local.get 0; i32.const 0; i32.shr_u; i32.add; local.set 3; local.get 1; br_if 0; end
       local.get 3; i32.load ${H}`,
      /./,
    );
  });

  test('a constant that leads out of the home with what the mask lets pass', () => {
    const far = LIMIT - 1000;
    refusedMasked(`${below(100)}; ${inHome}; i32.load ${H + far}`, /./);
    refusedMasked(`${below(100)}; ${inHome}; i32.const ${far}; i32.add; i32.load ${H}`, /./);
  });

  test('the result of one check for the bytes of another', () => {
    refusedMasked(
      `${checkMasked(0, 1)}; local.set 3; ${checkMasked(100_000, 4)}; drop; local.get 3; i32.load 100000`,
      /./,
    );
  });

  test('the result of a check before a call', () => {
    const entry = ENTRY_CHECK.replace(
      `call ${FUNCTIONS.interrupted}`,
      `call ${functionNamed(opened, 'jord:interrupted')}`,
    );
    refusedMasked(
      `${entry}; ${checkMasked(0, 4)}; local.set 3; local.get 1; local.get 2; call 0; drop
       ${checkMasked(0, 4)}; drop; local.get 3; i32.load`,
      /./,
    );
  });
});

describe('the functions that check', () => {
  const OWN: Readonly<Record<number, number>> = { 2: 100, 4: 128, 6: 96, 8: 64, 9: 61 };
  const WRITABLE = [2, 4, 9];

  /** By the VMAs of the world, and not by the header. */
  function isAllowed(e: number, size: number, isWrite: boolean): boolean {
    const slot = Math.floor((e - VMAS) / SLOT);
    return e + size <= VMAS + slot * SLOT + (OWN[slot] ?? 0) && (!isWrite || WRITABLE.includes(slot));
  }

  for (const [name, isMasked] of [
    ['with masks', true],
    ['without', false],
  ] as const) {
    test(`return the address or trap, ${name}`, () => {
      const guarded = guardModule(
        assemble(`(module (memory 1 1) (func (export "subject") (param i32) (result i32) (i32.load (local.get 0))))`),
        { imports: new Map(), maskAddresses: isMasked },
      );
      const added = openModule(guarded);
      const world = new World(space, guarded.layout);
      for (const how of ['read', 'write'] as const) {
        for (const size of [1, 2, 16, 61, 64, 100, 128, 255]) {
          const index = functionNamed(added, `jord:check-${how}`);
          const body = `local.get 0; i32.const ${size}; local.get 1; call ${index}`;
          const changed = withBody(guarded, 'subject', assembleBody([], body));
          verifyModule(changed, { imports: new Map() });
          const { subject } = space.link(changed.bytes, {});
          const f = subject as (e: number, base: number) => number;
          const ends = [0, size, 1].flatMap((less) =>
            Object.entries(OWN).map(([slot, n]) => VMAS + Number(slot) * SLOT + n - less),
          );
          for (const e of new Set([...world.pointers(0), ...ends])) {
            for (const version of ['A', 'B'] as const) {
              world.load(version);
              assert.equal(
                resultOf(f, e, world.base),
                isAllowed(e, size, how === 'write') ? e : 'trap',
                `${how} ${e} ${size}`,
              );
            }
          }
        }
      }
    });
  }

  function resultOf(f: (e: number, base: number) => number, e: number, base: number): number | string {
    try {
      return f(e | 0, base) >>> 0;
    } catch (error) {
      assert.ok(error instanceof WebAssembly.RuntimeError);
      return 'trap';
    }
  }

  test('are the ones that may be called, and no others of the guard', () => {
    for (const name of [
      'jord:look-up-read',
      'jord:look-up-write',
      'jord:readable-end',
      'jord:write-range',
      'jord:interrupted',
    ]) {
      const index = functionNamed(openModule(SUBJECT), name);
      const { parameters, results } = parametersOf(index);
      const operands = Array.from({ length: parameters - 1 }, () => 'local.get 0').join('; ');
      refused(
        `${operands}; local.get 2; call ${index}; ${results > 0 ? '' : 'i32.const 0'}`,
        /a call of function \d+ of the guard/,
      );
    }
    verifyBody(
      `local.get 0; local.get 1; local.get 2; call ${functionNamed(openModule(SUBJECT), 'jord:refuse')}; i32.const 0`,
    );
  });
});

function parametersOf(index: number): { readonly parameters: number; readonly results: number } {
  const { parts } = openModule(SUBJECT);
  const type = parts.types[parts.functions[index] ?? -1];
  return { parameters: type?.parameters.length ?? 0, results: type?.results.length ?? 0 };
}

describe('layouts with masks', () => {
  const refusedLayout = (changes: Partial<HomeLayout>): void => {
    const guarded = { ...MASKED, layout: { ...MASKED.layout, ...changes } };
    assert.throws(() => verifyModule(guarded, { imports: HOST }), /layout|it is not/);
  };
  test('are as they must be', () => {
    verifyModule(MASKED, { imports: HOST });
    for (const addressMask of [0, 1, MASK - 1, MASK + 1, 2 * MASK + 1, MASK >>> 1, -1, 0.5])
      refusedLayout({ addressMask });
    refusedLayout({ memoryLimit: 3 * 65536, addressMask: 3 * 65536 - 1 });
    refusedLayout({ memoryLimit: 0, addressMask: -1 });
    refusedLayout({ memoryMaximumPages: LIMIT / 65536 + 1 });
    const { addressMask: _, ...old } = MASKED.layout;
    assert.throws(() => verifyModule({ ...MASKED, layout: old as HomeLayout }, { imports: HOST }), /layout/);
  });
});
