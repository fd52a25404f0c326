/**
 * Accesses of the home and of VMAs that nobody but an attacker, or a broken guard, would make. Each is valid WebAssembly, and
 * must be refused for the right reason. What differs in one respect only, and is safe, stands beside it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as L from '../../core/layout.ts';
import {
  callCheck,
  checkVma,
  ENTRY_CHECK,
  FUNCTIONS,
  homeOnly,
  mark,
  refused,
  SUBJECT,
  translate,
  typeOf,
  verify,
  verifyBody,
} from './testing-verify.ts';

const { headerSize: H, memoryLimit: LIMIT, mapOffset: MAP, chunkShift } = SUBJECT.layout;

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
    refused(ifSmall('local.get 0; local.get 1; i32.shr_u'), /without a check/);
    refused(ifSmall('local.get 0; local.get 1; i32.shl'), /without a check/);
    verifyBody(ifSmall('local.get 0; i32.const 24; i32.shr_u'));
    refused(ifSmall('local.get 0; i32.const 25; i32.shr_u'), /without a check/);
  });

  test('results of computations', () => {
    const load = (index: string): string => `${index}; local.set 3; local.get 2; local.get 3; i32.add; i32.load ${H}`;
    const byte = 'local.get 0; i32.const 255; i32.and';
    const other = 'local.get 1; i32.const 255; i32.and';
    for (const safe of [
      byte,
      'i32.const 255; local.get 0; i32.and',
      `${byte}; local.get 1; i32.and`,
      `local.get 1; ${byte}; i32.and`,
      `${byte}; ${other}; i32.add`,
      `${byte}; i32.const 8; i32.shl`,
      `${byte}; i32.const 40; i32.shl`,
      `${byte}; i32.const 3; i32.shr_u`,
      'local.get 0; i32.const 16; i32.shr_u',
      'local.get 0; i32.const 48; i32.shr_u',
    ]) {
      verifyBody(load(safe));
    }
    for (const unsafe of [
      'local.get 0; local.get 1; i32.and',
      'local.get 0; i32.const -256; i32.and',
      `${byte}; local.get 1; i32.or`,
      `${byte}; ${other}; i32.or; i32.const 24; i32.shl`,
      `${byte}; local.get 1; i32.add`,
      `${byte}; ${other}; i32.sub`,
      `${byte}; local.get 1; i32.shl`,
      `${byte}; i32.const 16; i32.shl`,
      `${byte}; i32.const 28; i32.shl`,
      'local.get 0; i32.const 15; i32.shr_u',
      'local.get 0; i32.const 32; i32.shr_u',
      'local.get 0; local.get 1; i32.shr_u',
      'local.get 0; i32.const 16; i32.shr_s',
      'local.get 0; i32.const 16; i32.rotr',
      'local.get 0; i32.const 255; i32.rem_s',
      'local.get 0; i32.const 1; i32.mul',
      `${byte}; i32.const 1; i32.xor; i32.const -1; i32.xor`,
    ]) {
      refused(load(unsafe), /behind the home/);
    }
  });

  test('what is known of one result, and another one of the same instruction', () => {
    const one = 'local.get 0; i32.popcnt';
    const other = 'local.get 1; i32.clz';
    const small = (condition: string, then: string): string =>
      `${condition}; if i32; local.get 2; ${then}; i32.add; i32.load ${H}; else; i32.const 0; end`;
    refused(small(`${one}; i32.const 100; i32.lt_u`, other), /behind the home/);
    refused(small(`i32.const 100; ${one}; i32.gt_u`, other), /behind the home/);
    refused(small(`${one}; i32.const 100; i32.eq`, other), /behind the home/);
    refused(small(`${one}; ${other}; i32.eq`, 'local.get 0'), /behind the home/);
    refused(small(`${one}; i32.eqz`, other), /behind the home/);
    verifyBody(small(`${one}; local.tee 3; i32.const 100; i32.lt_u`, 'local.get 3'));
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
    for (const [from, to] of [
      ['i32.const 4', 'i32.const 3'],
      ['i32.const 4', 'i32.const 0'],
      ['i32.const 4', 'i32.const 0x304'],
      ['local.get 0', 'local.get 1'],
      ['local.get 0', 'local.get 0; i32.const 1; i32.add'],
      ['local.get 0', 'local.get 0; i32.const 1; i32.sub'],
      ['local.get 2', 'local.get 1'],
      [`call ${FUNCTIONS.checkRead}`, `call ${FUNCTIONS.lookUpRead}; i32.const 0`],
      [`call ${FUNCTIONS.checkRead}`, `call ${FUNCTIONS.refuse}; i32.const 0`],
      [`call ${FUNCTIONS.checkRead}`, `call ${FUNCTIONS.readRange}`],
      [`call ${FUNCTIONS.checkRead}`, 'drop; drop; drop; i32.const 0'],
    ] as const) {
      assert.ok(form.includes(from), from);
      // Of eight bytes, so that three of them, or those beside, are too few.
      const eight = 'local.get 0; i64.load; drop; i32.const 0';
      refused(`${checkVma(0, 8, false).replace(from.replace('const 4', 'const 8'), to)}; ${eight}`, /./);
    }
    verifyBody(`${form.replace(`${FUNCTIONS.checkRead}`, `${FUNCTIONS.checkWrite}`)}; ${load}`);
    verifyBody(`${form.replace('i32.const 4', 'i32.const 0x204')}; ${load}`);
  });

  test('the fast way of the check, inline: those words of the header are read by nobody else', () => {
    const inline = `
      local.get 0; local.get 2; i32.load ${L.HOME_LAST_READ_START}; i32.sub; i64.extend_i32_u; i64.const 4; i64.add
      local.get 2; i64.load32_u ${L.HOME_LAST_READ_LENGTH}; i64.gt_u
      if; ${checkVma(0, 4, false)}; end`;
    refused(`${inline}; ${load}`, /read of the header/);
    for (const place of [
      L.HOME_LAST_READ_START,
      L.HOME_LAST_READ_LENGTH,
      L.HOME_LAST_WRITE_START,
      L.HOME_LAST_WRITE_LENGTH,
    ]) {
      for (const read of ['i32.load', 'i64.load', 'i64.load32_u', 'i32.load8_u', 'i32.atomic.load', 'v128.load'])
        refused(`local.get 2; ${read} ${place}; drop; ${checkVma(0, 4, false)}; ${load}`, /read of the header/);
    }
  });

  test('of an address that is set in between, or that is base', () => {
    const form = checkVma(0, 4, false);
    refused(`${form}; local.get 1; local.set 0; ${load}`, /without a check/);
    refused(`local.get 0; local.get 1; local.set 0; ${form.replace('local.get 0;', '')}; ${load}`, /without a check/);
    verifyBody(`${form.replace('local.get 0;', 'local.get 1; local.tee 0;')}; ${load}`);
    refused(`${checkVma(2, 4, false)}; i32.const 0`, /not the function's own/);
    refused(`local.get 2; local.set 3; ${checkVma(3, 4, false)}; i32.const 0`, /not the function's own/);
    refused(
      `${translate(0, 0, 4, false)}; local.set 3; ${checkVma(3, 4, false)}; i32.const 0`,
      /not the function's own/,
    );
    refused(
      `local.get 2; i32.const 8; i32.add; local.set 3; ${callCheck(3, 4, false)}; i32.load`,
      /not the function's own/,
    );
    refused(
      `local.get 0; local.get 2; local.get 2; call ${FUNCTIONS.checkRead}; drop; i32.const 0`,
      /not the function's own/,
    );
    verifyBody(`local.get 1; local.set 3; ${checkVma(3, 4, false)}; local.get 1; i32.load`);
  });

  test('its result is the address, and no other', () => {
    verifyBody(`${callCheck(0, 4, false)}; i32.load`);
    verifyBody(`${callCheck(0, 4, false)}; local.set 3; local.get 3; i32.load`);
    verifyBody(`${callCheck(0, 8, false)}; i32.const 4; i32.add; i32.load`);
    refused(`${callCheck(0, 8, false)}; i32.const 5; i32.add; i32.load`, /without a check/);
    refused(`${callCheck(0, 8, false)}; i32.const 1; i32.sub; i32.load`, /without a check/);
    refused(`${callCheck(0, 4, false)}; drop; local.get 1; i32.load`, /without a check/);
    refused(`${callCheck(0, 4, false)}; local.get 1; i32.add; i32.load`, /without a check/);
    // The address of a check is not where the home is.
    refused(`${callCheck(0, 4, false)}; i32.load ${H}`, /without a check/);
    // Also where nothing else is known of the address.
    verifyBody(`local.get 0; i32.popcnt; i32.const 4; local.get 2; call ${FUNCTIONS.checkRead}; i32.load`);
    refused(
      `local.get 0; i32.popcnt; i32.const 4; local.get 2; call ${FUNCTIONS.checkRead}; drop; local.get 0; i32.popcnt; i32.load`,
      /without a check/,
    );
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
    refused(`${checkVma(0, 4, false)}; local.get 0; local.get 1; i32.atomic.rmw.add`, /without a check/);
  });

  test('the check of another address', () => {
    refused(`${checkVma(1, 4, false)}; ${load}`, /without a check/);
  });

  test('a result at a distance, and another one at the same', () => {
    const check = (index: string): string => `${index}; i32.const 4; local.get 2; call ${FUNCTIONS.checkRead}; drop`;
    const one = 'local.get 0; i32.popcnt; i32.const 8; i32.add';
    const other = 'local.get 1; i32.clz; i32.const 8; i32.add';
    refused(`${check(one)}; ${other}; i32.load`, /without a check/);
    refused(`${check('local.get 0; i32.popcnt')}; local.get 1; i32.clz; i32.load`, /without a check/);
    verifyBody(`${check(`${one}; local.tee 3`)}; local.get 3; i32.load`);
  });

  test('fewer bytes, or others', () => {
    refused(`${checkVma(0, 3, false)}; ${load}`, /without a check/);
    refused(`${checkVma(0, 4, false)}; local.get 0; i32.load 1`, /without a check/);
    refused(`${checkVma(0, 4, false)}; local.get 0; i32.const 1; i32.sub; i32.load`, /without a check/);
    verifyBody(`${checkVma(0, 4, false)}; local.get 0; i32.const 1; i32.sub; i32.load 1`);
    // The size is in eight bits; the function takes no more of it.
    verifyBody(`${checkVma(0, 0xff, false)}; local.get 0; i32.load 251`);
    refused(`${checkVma(0, 0xff, false)}; local.get 0; i32.load 252`, /without a check/);
    for (const code of [0, 0x100, 0x1000, -0x100]) refused(`${checkVma(0, code, false)}; ${load}`, /no bytes/);
    verifyBody(`${checkVma(0, -4, false)}; ${load}`);
    refused(`${checkVma(0, -4, false)}; local.get 0; i32.load 249`, /without a check/);
    refused(`local.get 0; local.get 1; local.get 2; call ${FUNCTIONS.checkRead}; drop; ${load}`, /no constant/);
    refused(
      `local.get 0; i32.const 0x304; local.get 2; call ${FUNCTIONS.checkRead}; drop; local.get 0; i64.load; drop; i32.const 0`,
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

  test('one for some pointers, and a translation for more', () => {
    const below = (limit: number): string => `
      local.get 0; i32.const ${limit}; i32.lt_u; if; ${mark(0)}; end
      local.get 0; i32.const ${LIMIT}; i32.lt_u
      if i32
        local.get 2; local.get 0; i32.add
      else
        local.get 0; local.set 6
        ${checkVma(6, 4, true)}
        local.get 0; i32.const ${H}; i32.sub
      end
      local.get 1; i32.store ${H}; i32.const 0`;
    verifyBody(below(LIMIT));
    refused(below(100), /without a mark/);
    refused(below(LIMIT - 1), /without a mark/);
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
