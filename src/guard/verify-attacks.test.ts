/**
 * Modules that nobody but an attacker, or a broken guard, would make. Each is valid WebAssembly, and each must be refused for
 * the right reason. What differs from an attack in one respect only, and is safe, stands beside it and must pass.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as L from '../../core/layout.ts';
import { JordError } from '../errors.ts';
import { assembleBody, closeModule, type OpenModule, openModule, withBody } from './testing-edit.ts';
import {
  callCheck,
  checkVma,
  ENTRY_CHECK,
  FUNCTIONS,
  mark,
  SUBJECT,
  translate,
  typeOf,
  verify,
  verifyBody,
} from './testing-verify.ts';
import type { GuardedModule } from './types.ts';

const { headerSize: H, memoryLimit: LIMIT, mapOffset: MAP, chunkShift, globalsSize } = SUBJECT.layout;

function refusalOf(verifyIt: () => void): JordError {
  try {
    verifyIt();
  } catch (error) {
    assert.ok(error instanceof JordError, String(error));
    return error;
  }
  return assert.fail('it was accepted');
}

/** The body must be refused, with this reason, and a place in `subject`. */
function refused(text: string, reason: RegExp): void {
  const error = refusalOf(() => verifyBody(text));
  assert.equal(error.code, 'MODULE_UNPROVEN', error.message);
  assert.match(error.message, reason);
  assert.match(error.message, /\(in function \d+ "subject", at byte 0x[0-9a-f]+\)$/);
}

/** The type of a block that takes an i32 and leaves one. */
const I32_TO_I32 = openModule(SUBJECT).parts.types.findIndex(
  ({ parameters, results }) => parameters.join() === 'i32' && results.join() === 'i32',
);

/** `if` the pointer in a local is in the home, its address is left; otherwise it traps. */
const homeOnly = (local: number, limit = LIMIT): string => `
  local.get ${local}; i32.const ${limit}; i32.ge_u; if; unreachable; end
  local.get 2; local.get ${local}; i32.add`;

test('what the attacks begin with is safe', () => {
  verify(SUBJECT);
  verifyBody(`${homeOnly(0)}; i32.load ${H}`);
  verifyBody(`${checkVma(0, 4, false)}; local.get 0; i32.load`);
  verifyBody(`${translate(0, 8, 4, false)}; i32.load ${H + 8}`);
  verifyBody(`${translate(0, 8, 4, true)}; local.get 1; i32.store ${H + 8}; i32.const 0`);
  verifyBody(`${ENTRY_CHECK}; local.get 0; local.get 1; local.get 2; call ${FUNCTIONS.other}`);
});

describe('addresses', () => {
  test('a pointer of the function without base', () => {
    refused('local.get 0; i32.load', /without a check/);
    refused(`local.get 0; i32.load ${H}`, /without a check/);
    refused('i32.const 0x22000000; i32.load', /without a check/);
    refused(`i32.const 0; i32.load ${L.CONTROL_NOW_MS}`, /without a check/);
    refused('local.get 0; i32.const 65535; i32.and; i32.load', /without a check/);
  });

  test('base and a pointer that was not compared', () => {
    refused(`local.get 2; local.get 0; i32.add; i32.load ${H}`, /behind the home/);
    refused(`local.get 2; local.get 0; i32.load8_u; i32.add; i32.load ${H}`, /without a check/);
  });

  test('a comparison with too much, of the wrong kind, of the wrong pointer, the wrong way round', () => {
    verifyBody(`${homeOnly(0, LIMIT + L.RED_ZONE - 3)}; i32.load ${H}`);
    refused(`${homeOnly(0, LIMIT + L.RED_ZONE - 2)}; i32.load ${H}`, /behind the home/);
    const compare = (how: string, what = 0): string => `
      local.get ${what}; i32.const ${LIMIT}; ${how}; if; unreachable; end
      local.get 2; local.get 0; i32.add; i32.load ${H}`;
    verifyBody(compare('i32.ge_u'));
    for (const how of ['i32.ge_s', 'i32.gt_s', 'i32.lt_u', 'i32.le_u', 'i32.eq'])
      refused(compare(how), /behind the home/);
    refused(compare('i32.ge_u', 1), /behind the home/);
  });

  test('a pointer that changes between comparison and access', () => {
    refused(
      `local.get 0; i32.const ${LIMIT}; i32.ge_u; if; unreachable; end
       local.get 1; local.set 0
       local.get 2; local.get 0; i32.add; i32.load ${H}`,
      /behind the home/,
    );
    refused(
      `local.get 0; i32.const ${LIMIT}; i32.ge_u; if; unreachable; end
       local.get 1; if; local.get 1; local.set 0; end
       local.get 2; local.get 0; i32.add; i32.load ${H}`,
      /behind the home/,
    );
  });

  test('a comparison that a branch goes round', () => {
    refused(
      `block; local.get 1; br_if 0; local.get 0; i32.const ${LIMIT}; i32.lt_u; br_if 0; unreachable; end
       local.get 2; local.get 0; i32.add; i32.load ${H}`,
      /behind the home/,
    );
    refused(
      `block; block; local.get 1; br_table 0 1 0; end
         local.get 0; i32.const ${LIMIT}; i32.ge_u; if; unreachable; end
       end
       local.get 2; local.get 0; i32.add; i32.load ${H}`,
      /behind the home/,
    );
    refused(
      `local.get 1; if; local.get 0; i32.const ${LIMIT}; i32.ge_u; if; unreachable; end; end
       local.get 2; local.get 0; i32.add; i32.load ${H}`,
      /behind the home/,
    );
  });

  test('code on either side of a branch', () => {
    const raw = 'local.get 0; i32.load; drop';
    refused(`block; local.get 0; i32.const 5; i32.lt_u; br_if 0; ${raw}; end; i32.const 0`, /without a check/);
    refused(`block; local.get 0; i32.const 5; i32.ge_u; br_if 0; end; ${raw}; i32.const 0`, /without a check/);
    refused(`local.get 0; i32.const 5; i32.lt_u; if; else; ${raw}; end; i32.const 0`, /without a check/);
    refused(`local.get 0; if; ${raw}; end; i32.const 0`, /without a check/);
    // What is known to be false is not executed.
    verifyBody(`i32.const 5; local.tee 3; i32.const 5; i32.lt_u; if; ${raw}; end; i32.const 0`);
    verifyBody(`block; i32.const 5; local.tee 3; i32.const 5; i32.ge_u; br_if 0; ${raw}; end; i32.const 0`);
    // The branch is never taken, as its condition is 0.
    verifyBody(`block; local.get 1; br_if 0; local.get 1; if; ${raw}; end; end; i32.const 0`);
    refused(`i32.const 5; local.tee 3; i32.const 5; i32.le_u; if; ${raw}; end; i32.const 0`, /without a check/);
  });

  test('sums that wrap', () => {
    // p >= 2^31, so p + 2^31 is small, and p + 8 may be.
    const large = 'local.get 0; i32.const 0x80000000; i32.lt_u; if; unreachable; end';
    const ifSmall = (sum: string): string =>
      `${large}; ${sum}; local.tee 3; i32.const 100; i32.lt_u; if; local.get 1; i32.load; drop; end; i32.const 0`;
    for (const sum of [
      'local.get 0; i32.const 0x80000000; i32.add',
      'local.get 0; i32.const 8; i32.add',
      'local.get 0; i32.const 0x80000000; i32.sub',
      'local.get 0; i32.const -1; i32.sub',
      // The range of the sum is known, and that of its root is not.
      `local.get 1; i32.const 8; i32.add; local.tee 4; i32.const 0x80000000; i32.lt_u; if; unreachable; end
       local.get 4; i32.const 0x80000000; i32.add`,
      `local.get 1; i32.const 8; i32.add; local.tee 4; i32.const 0x80000000; i32.lt_u; if; unreachable; end
       local.get 4; i32.const 8; i32.add`,
    ]) {
      refused(ifSmall(sum), /without a check/);
    }
    // It cannot be small here, so nothing is accessed.
    verifyBody(ifSmall('local.get 0; i32.const 8; i32.sub'));
    verifyBody(ifSmall('local.get 0; i32.const 1; i32.shr_u'));
    refused(ifSmall('local.get 0; local.get 0; i32.add'), /without a check/);
    refused(ifSmall('local.get 0; i32.const 1; i32.shl'), /without a check/);
  });

  test('a local that is written deep inside of one path', () => {
    const use = `local.get 2; local.get 3; i32.add; i32.load ${H}`;
    const path = (text: string): string =>
      `i32.const 5; local.set 3; block; local.get 1; br_if 0; ${text}; end; ${use}`;
    verifyBody(path('block; block; local.get 0; local.set 4; end; end'));
    refused(path('block; local.get 0; local.set 3; end'), /behind the home/);
    refused(path('block; block; local.get 0; local.set 3; end; end'), /behind the home/);
    refused(path('local.get 0; i32.const 7; i32.and; if; local.get 0; local.set 3; end'), /behind the home/);
    refused(path(`loop; block; local.get 0; local.set 3; end; end`), /behind the home/);
    refused(path('try; local.get 0; local.set 3; catch_all; end'), /behind the home/);
  });

  test('a comparison before a loop that changes the pointer', () => {
    const loop = (change: string): string => `
      ${ENTRY_CHECK}
      local.get 0; i32.const ${LIMIT}; i32.ge_u; if; unreachable; end
      loop
        ${ENTRY_CHECK}
        local.get 2; local.get 0; i32.add; i32.load ${H}; drop
        ${change}
        local.get 1; br_if 0
      end
      i32.const 0`;
    verifyBody(loop(''));
    refused(loop('local.get 0; i32.const 4; i32.add; local.set 0'), /behind the home/);
    refused(loop('block; block; local.get 1; br_if 0; i32.const -1; local.set 0; end; end'), /behind the home/);
  });

  test('offsets that leave the home on either side', () => {
    verifyBody(`${homeOnly(0)}; i32.load ${H + L.RED_ZONE - 3}`);
    refused(`${homeOnly(0)}; i32.load ${H + L.RED_ZONE - 2}`, /behind the home/);
    refused(`${homeOnly(0)}; i64.load ${H + L.RED_ZONE - 6}; i32.wrap_i64`, /behind the home/);
    refused(`${homeOnly(0)}; i32.load ${H - 1}`, /header/);
    refused(`${homeOnly(0)}; i32.load`, /header/);
    refused(`${homeOnly(0)}; i32.const 1; i32.sub; i32.load ${H}`, /before the home/);
    refused(`${homeOnly(0)}; i32.const -1; i32.add; i32.load ${H + 1}`, /before the home/);
    refused(`${homeOnly(0)}; i32.load 0xffffffff`, /behind the home/);
    refused(`local.get 2; i32.const ${H - 4}; i32.add; i32.load`, /read of the header/);
    refused('local.get 2; i32.const -8; i32.add; i32.load 8', /before the home/);
    refused(`local.get 2; i32.const ${H + LIMIT + L.RED_ZONE}; i32.add; i32.load`, /behind the home/);
  });

  test('a wider access than was proven', () => {
    const offset = H + L.RED_ZONE - 4;
    verifyBody(`${homeOnly(0)}; i32.load ${offset}`);
    for (const wider of ['i64.load', 'v128.load', 'i64.atomic.load'] as const) {
      refused(`${homeOnly(0)}; ${wider} ${offset}; drop; i32.const 0`, /behind the home/);
      refused(`${checkVma(0, 4, false)}; local.get 0; ${wider}; drop; i32.const 0`, /without a check/);
    }
  });
});

describe('checks of a VMA', () => {
  const load = 'local.get 0; i32.load';

  test('anything but the check as it is', () => {
    const form = checkVma(0, 4, false);
    verifyBody(`${form}; ${load}`);
    const changes: readonly (readonly [string, string])[] = [
      [`i32.load ${L.HOME_LAST_READ_START}`, `i32.load ${L.HOME_LAST_WRITE_START}`],
      [`i32.load ${L.HOME_LAST_READ_START}`, `i32.load ${L.HOME_LAST_READ_LENGTH}`],
      [`i32.load ${L.HOME_LAST_READ_START}`, `i32.load ${L.HOME_GLOBALS}`],
      [`i64.load32_u ${L.HOME_LAST_READ_LENGTH}`, `i64.load32_u ${L.HOME_LAST_WRITE_LENGTH}`],
      [`i64.load32_u ${L.HOME_LAST_READ_LENGTH}`, `i64.load ${L.HOME_LAST_READ_LENGTH}`],
      [`i64.load32_u ${L.HOME_LAST_READ_LENGTH}`, `i64.load32_s ${L.HOME_LAST_READ_LENGTH}`],
      [`i64.load32_u ${L.HOME_LAST_READ_LENGTH}`, `i64.load32_u ${L.HOME_GLOBALS}`],
      ['i64.gt_u', 'i64.ge_u'],
      ['i64.gt_u', 'i64.gt_s'],
      ['i64.gt_u', 'i64.lt_u'],
      ['i64.gt_u', 'i64.eq'],
      ['i64.extend_i32_u', 'i64.extend_i32_s'],
      ['i32.sub', 'i32.add'],
      ['i32.sub', 'i32.xor'],
      ['i64.add', 'i64.sub'],
      ['i64.add', 'i64.mul'],
      ['i64.const 4', 'i64.const 3'],
      ['i64.const 4', 'i64.const 0'],
      ['i64.const 4', 'i64.const -4'],
      ['i32.const 4', 'i32.const 3'],
      ['i32.const 4', 'i32.const 8'],
      ['local.get 0', 'local.get 1'],
      [`call ${FUNCTIONS.checkRead}`, `call ${FUNCTIONS.checkWrite}`],
      [`call ${FUNCTIONS.checkRead}`, 'drop; drop; drop'],
    ];
    for (const [from, to] of changes) {
      assert.ok(form.includes(from), from);
      refused(`${form.replace(from, to)}; ${load}`, /./);
      // The last place, where there are two.
      const at = form.lastIndexOf(from);
      refused(`${form.slice(0, at)}${to}${form.slice(at + from.length)}; ${load}`, /./);
    }
    const lines = form.split(/[;\n]/).filter((line) => line.trim() !== '');
    for (const at of lines.keys()) {
      if (at > 0) refused(`${lines.toSpliced(at, 0, 'nop').join(';')}; ${load}`, /header|without a check/);
    }
  });

  test('of an address that is set in between, or that is base', () => {
    const form = checkVma(0, 4, false);
    refused(`${form}; local.get 1; local.set 0; ${load}`, /without a check/);
    refused(`${form.replace(/local.get 0;/, 'local.get 1; local.tee 0;')}; ${load}`, /header/);
    refused(`${checkVma(2, 4, false)}; i32.const 0`, /header|computation/);
    verifyBody(`local.get 1; local.set 3; ${checkVma(3, 4, false)}; local.get 1; i32.load`);
  });

  test('one half of it: on one path, or of a look-up by hand', () => {
    refused(`local.get 1; if; ${checkVma(0, 4, false)}; end; ${load}`, /without a check/);
    refused(
      `local.get 0; i32.const ${L.GRANULE_SHIFT}; i32.shr_u; i32.const 3; i32.shl; i64.load ${L.GRANULE_TABLE}; drop; ${load}`,
      /without a check/,
    );
  });

  test('the permission for reading, and a write', () => {
    const store = 'local.get 0; local.get 1; i32.store; i32.const 0';
    verifyBody(`${checkVma(0, 4, true)}; ${store}`);
    verifyBody(`${checkVma(0, 4, true)}; ${load}`);
    refused(`${checkVma(0, 4, false)}; ${store}`, /without a check/);
    refused(`${callCheck(0, 4, false)}; ${store}`, /without a check/);
    refused(`${checkVma(0, 4, false)}; local.get 0; local.get 1; i32.atomic.rmw.add`, /without a check/);
  });

  test('the check of another address', () => {
    refused(`${checkVma(1, 4, false)}; ${load}`, /without a check/);
  });

  test('fewer bytes, or others', () => {
    refused(`${checkVma(0, 3, false)}; ${load}`, /without a check/);
    refused(`${checkVma(0, 4, false)}; local.get 0; i32.load 1`, /without a check/);
    refused(`${checkVma(0, 4, false)}; local.get 0; i32.const 1; i32.sub; i32.load`, /without a check/);
    verifyBody(`${checkVma(0, 4, false)}; local.get 0; i32.const 1; i32.sub; i32.load 1`);
    refused(`${checkVma(0, -4, false)}; ${load}`, /read of the header/);
    refused(`local.get 0; local.get 1; local.get 2; call ${FUNCTIONS.checkRead}; ${load}`, /no constant/);
    refused(
      `local.get 0; i32.const 0x304; local.get 2; call ${FUNCTIONS.checkRead}; local.get 0; i64.load; drop; i32.const 0`,
      /without a check/,
    );
  });

  test('sums beyond 32 bits', () => {
    // e = p + 0xffffffff is p - 1, and p + 0xffffffff is far away from it.
    refused(
      `local.get 0; i32.const -1; i32.add; local.set 3; ${checkVma(3, 4, false)}; local.get 0; i32.load 0xffffffff`,
      /without a check/,
    );
    refused(
      `local.get 0; i32.const -1; i32.add; local.set 3; ${checkVma(3, 8, false)}; local.get 0; i32.load 8`,
      /without a check/,
    );
    verifyBody(`local.get 0; i32.const -1; i32.add; local.set 3; ${checkVma(3, 8, false)}; local.get 0; i32.load 3`);
    refused(`${checkVma(0, 0x7fffffff, false)}; local.get 0; i32.load 0x1000`, /without a check/);
  });

  test('what was checked before a call', () => {
    const call = `i32.const 8; local.get 2; call ${FUNCTIONS.argbufNew}; drop`;
    refused(`${ENTRY_CHECK}; ${checkVma(0, 4, false)}; ${call}; ${load}`, /without a check/);
    refused(`${ENTRY_CHECK}; ${checkVma(0, 4, false)}; local.get 1; if; ${call}; end; ${load}`, /without a check/);
    refused(
      `${ENTRY_CHECK}; ${checkVma(0, 4, false)}
       loop; ${ENTRY_CHECK}; ${load}; drop; ${call}; local.get 1; br_if 0; end; i32.const 0`,
      /without a check/,
    );
    refused(
      `${ENTRY_CHECK}; ${checkVma(0, 4, false)}
       i32.const 1; i32.const 2; local.get 2; i32.const 0; call_indirect ${typeOf(FUNCTIONS.other)} 0; drop; ${load}`,
      /without a check/,
    );
    // On the other path, and before an exception.
    refused(
      `${ENTRY_CHECK}; ${checkVma(0, 4, false)}; local.get 1; if; else; ${call}; end; ${load}`,
      /without a check/,
    );
    refused(
      `${ENTRY_CHECK}; ${checkVma(0, 4, false)}; block; block; local.get 1; br_if 1; end; ${call}; end; ${load}`,
      /without a check/,
    );
    refused(
      `${ENTRY_CHECK}; ${checkVma(0, 4, false)}; try i32; ${call}; i32.const 0; catch_all; ${load}; end`,
      /without a check/,
    );
    verifyBody(`${ENTRY_CHECK}; ${checkVma(0, 4, false)}; try i32; ${load}; catch_all; i32.const 0; end`);
    // The functions of the guard change no permission.
    verifyBody(`${checkVma(0, 4, false)}; local.get 1; local.get 2; call ${FUNCTIONS.grow}; drop; ${load}`);
  });
});

describe('marks', () => {
  const store = (offset = 0): string =>
    `local.get 2; local.get 0; i32.add; local.get 1; i32.store ${H + offset}; i32.const 0`;
  const inHome = `local.get 0; i32.const ${LIMIT}; i32.ge_u; if; unreachable; end`;

  test('none, of another pointer, another offset, too late, on one path', () => {
    verifyBody(`${inHome}; ${mark(0)}; ${store()}`);
    refused(`${inHome}; ${store()}`, /without a mark/);
    refused(
      `local.get 1; i32.const ${LIMIT}; i32.ge_u; if; unreachable; end; ${inHome}; ${mark(1)}; ${store()}`,
      /without a mark/,
    );
    verifyBody(`${inHome}; ${mark(0, 8)}; ${store(8)}`);
    refused(`${inHome}; ${mark(0, 8)}; ${store()}`, /without a mark/);
    verifyBody(`${inHome}; ${mark(0)}; ${store(61)}`);
    refused(`${inHome}; ${mark(0)}; ${store(62)}`, /without a mark/);
    refused(`${inHome}; local.get 1; if; ${mark(0)}; end; ${store()}`, /without a mark/);
    refused(
      `${inHome}; local.get 2; local.get 0; i32.add; local.get 1; i32.store ${H}; ${mark(0)}; i32.const 0`,
      /without a mark/,
    );
    refused(`${inHome}; ${mark(0)}; i32.const 5; local.set 0; ${store()}`, /without a mark/);
  });

  test('other values and places', () => {
    const marked = (text: string): string => `${inHome}; ${text}; ${store()}`;
    const index = `local.get 2; local.get 0; i32.const ${chunkShift}; i32.shr_u; i32.add`;
    verifyBody(marked(`${index}; i32.const 1; i32.store8 ${MAP}`));
    for (const value of [0, 2, 255, -1]) refused(marked(`${index}; i32.const ${value}; i32.store8 ${MAP}`), /header/);
    refused(marked(`${index}; local.get 1; i32.store8 ${MAP}`), /header/);
    refused(marked(`${index}; i32.const 1; i32.store8 ${MAP + 1}`), /header/);
    refused(marked(`${index}; i32.const 1; i32.store16 ${MAP}`), /header/);
    refused(marked(`${index}; i32.const 1; i32.const 1; i32.add; i32.store8 ${MAP}`), /header/);
    refused(
      marked(
        `local.get 2; local.get 0; i32.const ${chunkShift - 1}; i32.shr_u; i32.add; i32.const 1; i32.store8 ${MAP}`,
      ),
      /header/,
    );
    refused(`${mark(0)}; ${inHome}; ${store()}`, /outside of the dirty map/);
    refused(`${inHome}; ${mark(0, 0x100000)}; ${store()}`, /outside of the dirty map/);
    refused(`${inHome}; ${mark(0, -1)}; ${store()}`, /outside of the dirty map/);
  });

  test('of constant places', () => {
    const write = (place: number): string => `local.get 2; i32.const 0; i32.store ${H + place}; i32.const 0`;
    const chunk = (number: number): string => `local.get 2; i32.const 1; i32.store8 ${MAP + number}`;
    const size = 2 ** chunkShift;
    verifyBody(`${chunk(1)}; ${write(size)}`);
    verifyBody(`${chunk(1)}; ${write(2 * size + 60)}`);
    refused(`${chunk(1)}; ${write(2 * size + 61)}`, /without a mark/);
    refused(`${chunk(1)}; ${write(size - 1)}`, /without a mark/);
    refused(`${chunk(SUBJECT.layout.mapSize)}; ${write(size)}`, /header|memory/);
    // A mark before the map is a write to what is the function's own there.
    refused(`${chunk(-1)}; ${write(0)}`, /without a mark/);
  });
});

describe('base', () => {
  test('is not given to the function', () => {
    for (const text of [
      'local.get 2',
      'local.get 2; i32.eqz',
      'local.get 2; i32.popcnt',
      'local.get 2; local.get 0; i32.xor',
      'local.get 2; local.get 0; i32.lt_u',
      'local.get 2; i64.extend_i32_u; i32.wrap_i64',
      'local.get 2; local.get 0; local.get 1; select',
      'local.get 0; local.get 1; local.get 2; select',
      'local.get 2; return',
      'block i32; local.get 2; br 0; end',
      'block i32; local.get 2; local.get 1; br_if 0; end',
      'block i32; local.get 2; end; i32.clz',
      'local.get 1; if i32; local.get 2; else; local.get 0; end',
      'local.get 2; i32.const 8; i32.add',
      'local.get 2; local.get 2; i32.sub',
      'local.get 2; local.get 2; i32.add',
      'local.get 2; f32.reinterpret_i32; i32.reinterpret_f32',
      'local.get 2; i32x4.splat; i32x4.extract_lane 0',
      `local.get 2; local.get 2; i32.store ${L.HOME_GLOBALS}; i32.const 0`,
      `${homeOnly(0)}; local.get 2; i32.store ${H}; i32.const 0`,
      `${ENTRY_CHECK}; local.get 2; local.get 0; local.get 2; call ${FUNCTIONS.other}`,
      `${ENTRY_CHECK}; local.get 2; local.get 2; call ${FUNCTIONS.argbufNew}`,
      'local.get 2; throw 0',
      'local.get 0; local.get 2; br_table 0',
      'local.get 2; table.get 0; drop; i32.const 0',
    ]) {
      refused(text, /not the function's own|computation|result/);
    }
  });

  test('is not laundered by locals, joins and loops', () => {
    for (const text of [
      'local.get 2; local.set 3; local.get 3',
      'local.get 2; local.tee 3',
      'local.get 1; if; local.get 2; local.set 3; end; local.get 3',
      'block; local.get 2; local.set 3; local.get 1; br_if 0; i32.const 0; local.set 3; end; local.get 3',
      `local.get 3; drop; local.get 1; if; local.get 2; local.set 3; end; local.get 3`,
      `loop; ${ENTRY_CHECK}; local.get 3; local.set 4; local.get 2; local.set 3; local.get 1; br_if 0; end; local.get 4`,
      `loop; ${ENTRY_CHECK}; local.get 3; local.get 1; i32.add; local.set 6; local.get 2; local.set 3; local.get 1; br_if 0; end; local.get 6`,
      `local.get 2; local.set 3; loop; ${ENTRY_CHECK}; local.get 3; local.set 4; i32.const 0; local.set 3; local.get 1; br_if 0; end; local.get 4`,
      `local.get 2; loop ${I32_TO_I32}; ${ENTRY_CHECK}; end`,
      'try; local.get 2; local.set 3; i32.const 1; throw 0; catch 0; drop; end; local.get 3',
      'try; local.get 2; local.set 3; catch_all; local.get 3; return; end; i32.const 0',
    ]) {
      refused(text, /not the function's own|result/);
    }
  });

  test('is what is passed on, and not something like it', () => {
    const call = (base: string): string => `${ENTRY_CHECK}; local.get 0; local.get 1; ${base}; call ${FUNCTIONS.other}`;
    verifyBody(call('local.get 2'));
    verifyBody(call('local.get 2; local.set 3; local.get 3'));
    for (const base of [
      'local.get 0',
      'i32.const 0x22000000',
      'local.get 2; i32.const 0; i32.add',
      'local.get 2; i32.const 4096; i32.sub',
      'local.get 3',
      `local.get 1; if i32; local.get 2; else; local.get 0; end`,
      `local.get 2; i32.load ${L.HOME_GLOBALS}`,
    ]) {
      refused(call(base), /does not pass base|computation/);
    }
    refused(`${ENTRY_CHECK}; i32.const 8; local.get 0; call ${FUNCTIONS.argbufNew}`, /does not pass base/);
    refused(
      `${ENTRY_CHECK}; local.get 0; local.get 1; local.get 0; return_call ${FUNCTIONS.other}`,
      /does not pass base/,
    );
    const indirect = (base: string): string =>
      `${ENTRY_CHECK}; local.get 0; local.get 1; ${base}; i32.const 0; call_indirect ${typeOf(FUNCTIONS.other)} 0`;
    verifyBody(indirect('local.get 2'));
    refused(indirect('local.get 1'), /does not pass base/);
  });

  test('stays in its local', () => {
    refused('local.get 0; local.set 2; i32.const 0', /write to the local that holds base/);
    refused('local.get 0; local.tee 2', /write to the local that holds base/);
    refused('local.get 2; local.set 2; i32.const 0', /write to the local that holds base/);
  });

  test('has a parameter in every type of a call', () => {
    // The type of the tag, (i32) → (), and () → f64 of no function here.
    const types = openModule(SUBJECT).parts.types;
    const without = types.findIndex(({ parameters }) => parameters.at(-1) !== 'i32');
    assert.ok(without >= 0);
    refused(`${ENTRY_CHECK}; i32.const 1; call_indirect ${without} 0; i32.const 0`, /type without base/);
  });
});

describe('header and tables', () => {
  test('are not read', () => {
    for (const place of [
      L.HOME_PD,
      L.HOME_OWNED,
      L.HOME_CALLER,
      L.HOME_FAULT_KIND,
      L.HOME_DEADLINE_MS,
      L.HOME_END_MS,
      L.HOME_INVOCATION,
      L.HOME_GRANT_TABLE_A,
      L.HOME_GRANT_TABLE_B,
      L.HOME_GLOBALS - 4,
      L.HOME_GLOBALS + globalsSize - 3,
      MAP,
      H - 4,
    ]) {
      refused(`local.get 2; i32.load ${place}`, /read of the header/);
    }
    verifyBody(`local.get 2; i32.load ${L.HOME_MEMORY_PAGES}`);
    verifyBody(`local.get 2; i32.load ${L.HOME_GLOBALS}`);
    verifyBody(`local.get 2; v128.load ${L.HOME_GLOBALS}; drop; i32.const 0`);
    refused(`local.get 2; i64.load ${L.HOME_MEMORY_PAGES}; drop; i32.const 0`, /read of the header/);
    refused(`local.get 2; i32.atomic.load ${L.HOME_MEMORY_PAGES}`, /read of the header/);
    refused(
      `local.get 2; i32.load ${L.HOME_INVOCATION}; i32.atomic.load ${L.INVOCATION_CANCELLED}`,
      /read of the header/,
    );
  });

  test('are not written', () => {
    for (const place of [
      L.HOME_PD,
      L.HOME_OWNED,
      L.HOME_MEMORY_PAGES,
      L.HOME_FAULT_ADDRESS,
      L.HOME_FAULT_ACCESS,
      L.HOME_DEADLINE_MS,
      L.HOME_END_MS,
      L.HOME_GRANT_TABLE_A,
      L.HOME_GLOBALS - 4,
      L.HOME_GLOBALS + globalsSize - 3,
      MAP,
      H - 4,
    ]) {
      refused(`local.get 2; local.get 0; i32.store ${place}; i32.const 0`, /header/);
      refused(`local.get 2; i32.const 0; i32.atomic.rmw.xchg ${place}`, /header/);
    }
    verifyBody(`local.get 2; local.get 0; i32.store ${L.HOME_GLOBALS + globalsSize - 4}; i32.const 0`);
  });

  test('the VMA that was looked up last stays there', () => {
    for (const place of [
      L.HOME_LAST_READ_START,
      L.HOME_LAST_READ_LENGTH,
      L.HOME_LAST_WRITE_START,
      L.HOME_LAST_WRITE_LENGTH,
    ]) {
      refused(`local.get 2; i32.load ${place}`, /read of the header/);
      refused(`local.get 2; i64.load32_u ${place}; drop; i32.const 0`, /read of the header/);
      refused(`local.get 2; local.get 0; i32.store ${place}; i32.const 0`, /header/);
    }
  });

  test('and base decides nothing, nor does what comes of it', () => {
    const decide = (condition: string): string => `${condition}; if; i32.const 1; return; end; i32.const 0`;
    for (const condition of [
      'local.get 2',
      'local.get 2; local.get 0; i32.add',
      'local.get 2; i32.const 4; i32.add',
      `${translate(0, 0, 4, false)}`,
    ]) {
      refused(decide(condition), /not the function's to know/);
      refused(`block; ${condition}; br_if 0; i32.const 1; return; end; i32.const 0`, /not the function's to know/);
      refused(`block; ${condition}; br_table 0; end; i32.const 0`, /not the function's own/);
      refused(`${condition}; i32.eqz`, /computation/);
    }
  });

  test('a fault is recorded and traps, or not at all', () => {
    const record = (kind: number, rest: string): string => `
      local.get 2; i32.const ${kind}; i32.store ${L.HOME_FAULT_KIND}; ${rest}`;
    const words = `
      local.get 2; local.get 0; i32.store ${L.HOME_FAULT_ADDRESS}
      local.get 2; i32.const 4; i32.store ${L.HOME_FAULT_ACCESS}`;
    verifyBody(record(L.FAULT_ATOMIC_WAIT, `${words}; unreachable`));
    refused(record(L.FAULT_ACCESS, `${words}; i32.const 0`), /fault/);
    refused(record(L.FAULT_ACCESS, 'unreachable'), /fault/);
    refused(record(L.FAULT_CANCELLED, `${words}; unreachable`), /fault/);
    refused(record(L.FAULT_DEADLINE, `${words}; unreachable`), /fault/);
    refused(record(L.FAULT_ACCESS, `${words.replace('local.get 0', 'local.get 2')}; unreachable`), /fault/);
    refused(`local.get 2; local.get 0; i32.store ${L.HOME_FAULT_KIND}; ${words}; unreachable`, /fault/);
  });
});

describe('deadline checks', () => {
  const call = `local.get 0; local.get 1; local.get 2; call ${FUNCTIONS.other}`;

  test('none before a call, or one that a path goes round', () => {
    refused(call, /a call without a deadline check/);
    refused(`i32.const 8; local.get 2; call ${FUNCTIONS.argbufNew}`, /a call without a deadline check/);
    refused(
      `local.get 0; local.get 1; local.get 2; return_call ${FUNCTIONS.subject}`,
      /a call without a deadline check/,
    );
    refused(`local.get 1; if; ${ENTRY_CHECK}; end; ${call}`, /a call without a deadline check/);
    refused(`block; local.get 1; br_if 0; ${ENTRY_CHECK}; end; ${call}`, /a call without a deadline check/);
    refused(`try; ${ENTRY_CHECK}; catch_all; end; ${call}`, /a call without a deadline check/);
    verifyBody(`local.get 1; if; ${ENTRY_CHECK}; else; ${ENTRY_CHECK}; end; ${call}`);
    verifyBody(`local.get 1; if; ${ENTRY_CHECK}; ${call}; drop; end; i32.const 0`);
  });

  test('none in a loop', () => {
    refused('loop; local.get 1; br_if 0; end; i32.const 0', /a branch to a loop without a deadline check/);
    refused('loop; br 0; end; i32.const 0', /a branch to a loop without a deadline check/);
    refused('loop; local.get 1; br_table 0 0; end; i32.const 0', /a branch to a loop without a deadline check/);
    refused(
      `${ENTRY_CHECK}; loop; local.get 1; br_if 0; end; i32.const 0`,
      /a branch to a loop without a deadline check/,
    );
    refused(
      `loop; local.get 1; br_if 0; ${ENTRY_CHECK}; br 0; end; i32.const 0`,
      /a branch to a loop without a deadline check/,
    );
    refused(
      `loop; ${ENTRY_CHECK}; loop; local.get 1; br_if 1; end; end; i32.const 0`,
      /a branch to a loop without a deadline check/,
    );
    verifyBody(
      `loop; ${ENTRY_CHECK}; loop; ${ENTRY_CHECK}; local.get 1; br_if 1; local.get 0; br_if 0; end; end; i32.const 0`,
    );
    verifyBody('loop; end; i32.const 0');
  });

  test('in another form', () => {
    const changed = (from: string, to: string): string => {
      assert.ok(ENTRY_CHECK.includes(from));
      return `${ENTRY_CHECK.replace(from, to)}; ${call}`;
    };
    refused(changed('i32.le_s', 'i32.le_u'), /header/);
    refused(changed('i32.le_s', 'i32.lt_s'), /header/);
    refused(changed('i32.sub', 'i32.add'), /header/);
    refused(changed(`i32.load ${L.HOME_DEADLINE_MS}`, `i32.load ${L.HOME_END_MS}`), /header/);
    refused(changed(`i32.load ${L.CONTROL_NOW_MS}`, `i32.load ${L.CONTROL_NOW_MS + 4}`), /header/);
    refused(changed(`call ${FUNCTIONS.interrupted}`, 'drop'), /header/);
    refused(changed(`call ${FUNCTIONS.interrupted}`, `call ${FUNCTIONS.nothing}`), /header/);
    refused(changed('i32.const 0; i32.le_s', 'i32.const 1; i32.le_s'), /header/);
  });
});

describe('instructions', () => {
  test('that change memory, tables or segments by themselves', () => {
    for (const text of [
      'memory.size 0',
      'local.get 0; memory.grow 0',
      'local.get 0; local.get 0; local.get 1; memory.copy 0 0; i32.const 0',
      'local.get 0; local.get 0; local.get 1; memory.fill 0; i32.const 0',
      'local.get 0; local.get 0; local.get 1; memory.init 0 0; i32.const 0',
      'data.drop 0; i32.const 0',
      'local.get 0; ref.null funcref; table.set 0; i32.const 0',
      'ref.null funcref; local.get 0; table.grow 0',
      'local.get 0; ref.null funcref; local.get 0; table.fill 0; i32.const 0',
      'local.get 0; local.get 0; local.get 0; table.copy 0 0; i32.const 0',
      'local.get 0; local.get 0; local.get 0; table.init 0 0; i32.const 0',
      'elem.drop 0; i32.const 0',
      `${homeOnly(0)}; i32.const 0; i64.const -1; memory.atomic.wait32 ${H}`,
      `${homeOnly(0)}; i64.const 0; i64.const -1; memory.atomic.wait64 ${H}`,
    ]) {
      refused(text, /which the guard does not leave/);
    }
  });

  test("calls of the guard's functions that are not for the function", () => {
    for (const [name, parameters] of [
      ['readRange', 2],
      ['writeRange', 2],
      ['readableEnd', 1],
      ['writableEnd', 1],
      ['interrupted', 0],
      ['init', 0],
    ] as const) {
      const text = `${'local.get 0;'.repeat(parameters)} local.get 2; call ${FUNCTIONS[name]}`;
      refused(`${text}; ${parameters === 0 ? 'i32.const 0' : ''}`, /a call of function \d+ of the guard/);
    }
    refused(`local.get 0; i32.const 4; local.get 1; call ${FUNCTIONS.checkRead}; i32.const 0`, /does not pass base/);
    refused(
      `local.get 0; local.get 1; local.get 1; local.get 0; call ${FUNCTIONS.copy}; i32.const 0`,
      /does not pass base/,
    );
  });

  test('what a path proves is not carried into handlers', () => {
    const attack = (handler: string): string => `
      try
        local.get 0; i32.const ${LIMIT}; i32.ge_u; if; i32.const 1; throw 0; end
      ${handler}
      end
      i32.const 0`;
    const access = `local.get 2; local.get 0; i32.add; i32.load ${H}; drop`;
    verifyBody(attack('catch 0; drop'));
    refused(attack(`catch 0; drop; ${access}`), /behind the home/);
    refused(attack(`catch_all; ${access}`), /behind the home/);
    refused(`${attack('catch 0; drop')}; drop; ${access}; i32.const 0`, /behind the home/);
  });
});

describe('clauses of try_table', () => {
  const inHome = `local.get 0; i32.const ${LIMIT}; i32.ge_u; if; unreachable; end`;
  const load = `local.get 2; local.get 0; i32.add; i32.load ${H}`;
  const call = `i32.const 8; local.get 2; call ${FUNCTIONS.argbufNew}; drop`;

  test('an exception comes from anywhere', () => {
    verifyBody(`${inHome}; block; try_table - :0; i32.const 1; throw 0; end; end; ${load}`);
    refused(`block; try_table - :0; i32.const 1; throw 0; ${inHome}; end; end; ${load}`, /behind the home/);
    refused(`block; try_table - :0; ${inHome}; end; end; ${load}`, /behind the home/);
    verifyBody(`block; try_table - :0; ${inHome}; ${load}; drop; end; end; i32.const 0`);
    refused(`${inHome}; block; try_table - :0; i32.const -1; local.set 0; end; end; ${load}`, /behind the home/);
    refused(`block i32; try_table - 0:0; ${inHome}; end; i32.const 0; end; drop; ${load}`, /behind the home/);
    refused(
      `block i32; try_table - 0:0; local.get 2; local.set 3; end; i32.const 0; end; drop; local.get 3`,
      /result|not the/,
    );
  });

  test('and ends what was checked', () => {
    const check = checkVma(0, 4, false);
    const access = 'local.get 0; i32.load';
    verifyBody(`block; try_table - :0; end; end; ${check}; ${access}`);
    refused(`${ENTRY_CHECK}; ${check}; block; try_table - :0; ${call}; end; end; ${access}`, /without a check/);
    refused(
      `${ENTRY_CHECK}; ${check}; block; try_table - :0; ${call}; unreachable; end; end; ${access}`,
      /without a check/,
    );
  });

  test('and may go to a loop', () => {
    verifyBody(`loop; ${ENTRY_CHECK}; try_table - :0; i32.const 1; throw 0; end; end; i32.const 0`);
    refused(
      `loop; try_table - :0; ${ENTRY_CHECK}; i32.const 1; throw 0; end; end; i32.const 0`,
      /a loop without a deadline check/,
    );
    refused(`block; try_table - :0; ${ENTRY_CHECK}; end; end; ${call}; i32.const 0`, /a call without a deadline check/);
  });
});

describe('parts of the module', () => {
  function refusedModule(edit: (module: OpenModule) => void, reason: RegExp): void {
    const module = openModule(SUBJECT);
    edit(module);
    const guarded = closeModule(module);
    if (!WebAssembly.validate(guarded.bytes)) new WebAssembly.Module(guarded.bytes);
    const error = refusalOf(() => verify(guarded));
    assert.equal(error.code, 'MODULE_UNPROVEN', error.message);
    assert.match(error.message, reason);
  }

  const added = FUNCTIONS.writeRange;

  test('imports', () => {
    const import_ = (name: string, from = 'jord') => ({
      module: from,
      name,
      kind: 'function' as const,
      index: 0,
      offset: 0,
    });
    for (const entry of [import_('argbuf_steal'), import_('argbuf_new', 'env'), import_('time')]) {
      refusedModule((module) => {
        module.parts.imports = module.parts.imports.map((old) => (old.kind === 'function' ? entry : old));
      }, /an import of the function/);
    }
    refusedModule((module) => {
      module.parts.imports = [
        ...module.parts.imports,
        { module: 'jord', name: 'g', kind: 'global', index: 0, offset: 0 },
      ];
      module.parts.globals = [
        { type: 'i32', mutable: false, initial: new Uint8Array(0), offset: 0 },
        ...module.parts.globals,
      ];
    }, /an import of the global/);
    refusedModule((module) => {
      module.parts.imports = [...module.parts.imports, { module: 'jord', name: 't', kind: 'tag', index: 0, offset: 0 }];
      module.parts.tags = [module.parts.tags[0] ?? 0, ...module.parts.tags];
    }, /an import of the tag/);
    refusedModule((module) => {
      module.parts.imports = module.parts.imports.map((old) =>
        old.kind === 'memory' ? { ...old, name: 'memory2' } : old,
      );
    }, /an import of the memory/);
  });

  test('the memory', () => {
    for (const change of [{ shared: false }, { minimum: 1 }, { maximum: 65535, minimum: 65535 }, { minimum: 65535 }]) {
      refusedModule((module) => {
        module.parts.memories = module.parts.memories.map((memory) => ({ ...memory, ...change }));
      }, /not the address space/);
    }
    refusedModule((module) => {
      module.parts.imports = module.parts.imports.filter(({ kind }) => kind !== 'memory');
    }, /not the address space/);
  });

  test('exports', () => {
    const entry = (name: string, kind: 'function' | 'memory' | 'table' | 'tag' | 'global', index: number) => ({
      name,
      kind,
      index,
      offset: 0,
    });
    for (const more of [
      entry('more', 'function', FUNCTIONS.other),
      entry('more', 'function', added),
      entry('memory', 'memory', 0),
      entry('table', 'table', 0),
      entry('tag', 'tag', 0),
      entry('global', 'global', 0),
    ]) {
      refusedModule((module) => {
        module.parts.exports = [...module.parts.exports, more];
      }, /an export of the/);
    }
    const replace =
      (name: string, index: number) =>
      (module: OpenModule): void => {
        module.parts.exports = module.parts.exports.map((old) => (old.name === name ? { ...old, index } : old));
      };
    refusedModule(replace('handle', FUNCTIONS.nothing), /an export of the function "handle"/);
    refusedModule(replace('handle', added), /an export of the function "handle"/);
    refusedModule(replace('jord:init', FUNCTIONS.nothing), /an export of the function "jord:init"/);
    refusedModule((module) => {
      module.parts.exports = module.parts.exports.filter(({ name }) => name !== 'handle');
    }, /an export is missing/);
    refusedModule((module) => {
      module.parts.exports = module.parts.exports.filter(({ name }) => name !== 'jord:init');
    }, /an export is missing/);
  });

  test('globals and segments', () => {
    refusedModule((module) => {
      module.parts.globals = module.parts.globals.map((global) => ({ ...global, mutable: true }));
    }, /a mutable global/);
    refusedModule((module) => {
      module.parts.data = module.parts.data.map((segment) => ({ ...segment, place: Uint8Array.of(0x41, 0, 0x0b) }));
    }, /written when the module is instantiated/);
    refusedModule((module) => {
      module.parts.elements = module.parts.elements.map((segment) => ({ ...segment, functions: [added] }));
    }, /a reference to function/);
    refusedModule((module) => {
      module.parts.globals = [
        ...module.parts.globals,
        { type: 'funcref', mutable: false, initial: Uint8Array.of(0xd2, added, 0x0b), offset: 0 },
      ];
    }, /a reference to function/);
  });

  test('a function without base', () => {
    const module = openModule(SUBJECT);
    const bare = module.parts.types.findIndex(({ parameters, results }) => parameters.length + results.length === 0);
    module.parts.functions = module.parts.functions.map((old, i) => (i === FUNCTIONS.nothing ? bare : old));
    module.bodies[FUNCTIONS.nothing - module.importedFunctions] = assembleBody([], '');
    module.parts.exports = module.parts.exports.filter(({ name }) => name !== 'nothing');
    module.parts.elements = [];
    const guarded = closeModule(module);
    assert.ok(WebAssembly.validate(guarded.bytes));
    const exports = guarded.exports.filter(({ name }) => name !== 'nothing');
    assert.match(refusalOf(() => verify({ ...guarded, exports })).message, /a function without base/);
    // It may be the start function then, which nobody calls with base.
    module.parts.start = FUNCTIONS.nothing;
    assert.match(refusalOf(() => verify({ ...closeModule(module), exports })).message, /a start function/);
  });

  test("the guard's functions", () => {
    for (const name of [
      'jord:check-read',
      'jord:check-write',
      'jord:readable-end',
      'jord:read-range',
      'jord:write-range',
      'jord:memory.copy',
      'jord:memory.grow',
      'jord:interrupted',
      'jord:memory.init 0',
    ]) {
      const error = refusalOf(() => verify(withBody(SUBJECT, name, assembleBody([], 'unreachable'))));
      assert.match(error.message, /it is not jord:|flag of a data segment/);
    }
    const swapped = openModule(SUBJECT);
    const at = FUNCTIONS.checkRead - swapped.importedFunctions;
    const [read, write] = [swapped.bodies[at], swapped.bodies[at + 1]];
    assert.ok(read !== undefined && write !== undefined);
    swapped.bodies[at + 1] = read;
    assert.match(refusalOf(() => verify(closeModule(swapped))).message, /it is not jord:check-write/);
  });

  test('sections that nobody knows', () => {
    const section = (name: string): Uint8Array<ArrayBuffer> => {
      const bytes = new TextEncoder().encode(name);
      return Uint8Array.from([...SUBJECT.bytes, 0, bytes.length + 1, bytes.length, ...bytes]);
    };
    verify({ ...SUBJECT, bytes: section('name') });
    const error = refusalOf(() => verify({ ...SUBJECT, bytes: section('compilationHints') }));
    assert.match(error.message, /a section "compilationHints"/);
  });

  test('what is said of the module', () => {
    const refusedSaid = (change: Partial<GuardedModule>, reason: RegExp): void => {
      assert.match(refusalOf(() => verify({ ...SUBJECT, ...change })).message, reason);
    };
    const { layout, exports } = SUBJECT;
    refusedSaid({ imports: [] }, /other imports/);
    refusedSaid({ imports: ['jord.argbuf_new', 'jord.time'] }, /other imports/);
    refusedSaid({ exports: exports.slice(1) }, /an export of the function/);
    refusedSaid(
      { exports: [...exports, { name: 'more', type: { parameters: [], results: [] } }] },
      /an export is missing/,
    );
    refusedSaid(
      { exports: exports.map((entry) => ({ ...entry, type: { parameters: [], results: [] } })) },
      /an export of the function/,
    );
    for (const change of [
      { memoryLimit: layout.memoryLimit + 65536 },
      { memoryLimit: layout.memoryLimit - 1 },
      { headerSize: layout.headerSize + 64 },
      { mapOffset: layout.mapOffset + 16 },
      { mapSize: layout.mapSize - 128 },
      { chunkShift: layout.chunkShift - 1 },
      { globalsSize: layout.globalsSize + 16 },
      { homeSize: layout.homeSize - 4096 },
      { memoryInitialPages: 2 },
      { headerSize: Number.NaN },
    ]) {
      const error = refusalOf(() => verify({ ...SUBJECT, layout: { ...layout, ...change } }));
      assert.equal(error.code, 'MODULE_UNPROVEN', JSON.stringify(change));
    }
  });
});
