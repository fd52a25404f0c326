/**
 * Calls, loops and handlers that would go on after the deadline, or with what was only so on another path. Each body is valid
 * WebAssembly and must be refused; what differs in one respect only, and is safe, stands beside it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as L from '../../core/layout.ts';
import {
  checkVma,
  ENTRY_CHECK,
  FUNCTIONS,
  homeOnly,
  isValidBody,
  refused,
  SUBJECT,
  verifyBody,
} from './testing-verify.ts';

const { headerSize: H, memoryLimit: LIMIT } = SUBJECT.layout;

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
    refused(changed('i32.gt_s', 'i32.gt_u'), /header/);
    refused(changed('i32.gt_s', 'i32.ge_s'), /header/);
    refused(changed('i32.gt_s', 'i32.le_s'), /header/);
    refused(changed('i32.sub', 'i32.add'), /header/);
    refused(changed(`i32.load ${L.HOME_DEADLINE_MS}`, `i32.load ${L.HOME_END_MS}`), /header/);
    refused(changed(`i32.load ${L.CONTROL_NOW_MS}`, `i32.load ${L.CONTROL_NOW_MS + 4}`), /header/);
    refused(changed(`call ${FUNCTIONS.interrupted}`, 'drop'), /header/);
    refused(changed(`call ${FUNCTIONS.interrupted}`, `call ${FUNCTIONS.nothing}`), /header/);
    refused(changed('i32.const 0; i32.gt_s', 'i32.const -1; i32.gt_s'), /header/);
    // The arms exchanged: the look is where nothing is to be looked at.
    refused(changed('if; else; local.get 2', 'if; local.get 2'), /header/);
    refused(changed('else; ', ''), /header/);
  });

  test('the form of loops, at entries and in loops', () => {
    const look = `
      local.get 2; local.get 2; i32.load ${L.HOME_END_MS}; i32.atomic.store ${L.HOME_DEADLINE_MS}
      local.get 2; i32.load ${L.HOME_INVOCATION}; i32.atomic.load ${L.INVOCATION_CANCELLED}
      local.get 2; i32.load ${L.HOME_END_MS}; i32.const 0; i32.load ${L.CONTROL_NOW_MS}; i32.sub; i32.const 0; i32.le_s
      i32.or
      if; local.get 2; call ${FUNCTIONS.interrupted}; unreachable; end`;
    const form = `
      local.get 2; i32.load ${L.HOME_DEADLINE_MS}; i32.const 0; i32.load ${L.CONTROL_NOW_MS}; i32.sub; i32.const 0; i32.le_s
      if; ${look}; end`;
    verifyBody(`${form}; ${call}`);
    verifyBody(`loop; ${form}; local.get 1; br_if 0; end; i32.const 0`);
    for (const [from, to] of [
      ['i32.le_s', 'i32.lt_s'],
      ['i32.or', 'i32.and'],
      ['unreachable', 'nop'],
      ['i32.atomic.store', 'i32.store'],
      [`i32.load ${L.HOME_END_MS}`, `i32.load ${L.HOME_DEADLINE_MS}`],
      [`call ${FUNCTIONS.interrupted}`, `call ${FUNCTIONS.nothing}`],
    ] as const) {
      assert.ok(form.includes(from), from);
      refused(`loop; ${form.replace(from, to)}; local.get 1; br_if 0; end; i32.const 0`, /header|before/);
    }
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
      ['lookUpRead', 2],
      ['lookUpWrite', 2],
      ['readRange', 2],
      ['writeRange', 2],
      ['readableEnd', 1],
      ['writableEnd', 1],
      ['interrupted', 0],
      ['init', 0],
    ] as const) {
      const text = `${'local.get 0;'.repeat(parameters)} local.get 2; call ${FUNCTIONS[name]}`;
      refused(`${text}; ${isValidBody(text) ? '' : 'i32.const 0'}`, /a call of function \d+ of the guard/);
    }
    refused(`local.get 0; i32.const 4; local.get 1; call ${FUNCTIONS.checkRead}`, /does not pass base/);
    refused(`local.get 0; i32.const 4; local.get 1; call ${FUNCTIONS.refuse}; i32.const 0`, /does not pass base/);
    refused(
      `local.get 0; local.get 1; local.get 1; local.get 0; call ${FUNCTIONS.copy}; i32.const 0`,
      /does not pass base/,
    );
  });

  test('a refusal of an access, which the function may ask for', () => {
    verifyBody(`local.get 0; i32.const 4; local.get 2; call ${FUNCTIONS.refuse}; unreachable`);
    verifyBody(`local.get 0; local.get 1; local.get 2; call ${FUNCTIONS.refuse}; i32.const 0`);
    const secret = /not the function's own/;
    refused(`local.get 2; i32.const 4; local.get 2; call ${FUNCTIONS.refuse}; unreachable`, secret);
    refused(`local.get 0; local.get 2; local.get 2; call ${FUNCTIONS.refuse}; unreachable`, secret);
    // It proves nothing of the address, and the verifier does not know that it never returns.
    refused(
      `local.get 0; i32.const 4; local.get 2; call ${FUNCTIONS.refuse}; local.get 0; i32.load`,
      /without a check/,
    );
    const refuse = `local.get 0; i32.const 4; local.get 2; call ${FUNCTIONS.refuse}`;
    const compare = (arm: string): string => `
      local.get 0; i32.const ${LIMIT}; i32.lt_u; if; else; ${arm}; end
      local.get 2; local.get 0; i32.add; i32.load ${H}`;
    verifyBody(compare(`${refuse}; unreachable`));
    refused(compare(refuse), /behind the home/);
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
