/**
 * What would tell a function where it is, or change what is kept there about it: `base`, and what is read and written with it.
 * Each body is valid WebAssembly and must be refused; what differs in one respect only, and is safe, stands beside it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as L from '../../core/layout.ts';
import { IMMEDIATE_NONE, immediates, OPCODE_COUNT, opcodeName } from './opcodes.ts';
import { NOT_PLAIN, operandCounts } from './stack-effects.ts';
import { openModule } from './testing-edit.ts';
import {
  ENTRY_CHECK,
  FUNCTIONS,
  homeOnly,
  isValidBody,
  refused,
  SUBJECT,
  translate,
  typeOf,
  verifyBody,
} from './testing-verify.ts';

const { headerSize: H, mapOffset: MAP, globalsSize } = SUBJECT.layout;

/** The type of a block that takes an i32 and leaves one. */
const I32_TO_I32 = openModule(SUBJECT).parts.types.findIndex(
  ({ parameters, results }) => parameters.join() === 'i32' && results.join() === 'i32',
);

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

  test('is not computed with, by any instruction and in any place', () => {
    const secrets = [
      'local.get 2',
      'local.get 2; local.get 0; i32.add',
      'local.get 2; i32.const 8; i32.add',
      translate(0, 0, 4, false),
    ];
    // The other operands, with a result of i32, or one that is dropped.
    const rests = ['', 'drop; i32.const 0'];
    let tried = 0;
    for (let opcode = 0; opcode < OPCODE_COUNT; opcode += 1) {
      const name = opcodeName(opcode) ?? '';
      const count = operandCounts[opcode] as number;
      if (count === 0 || count === NOT_PLAIN || immediates[opcode] !== IMMEDIATE_NONE || name === 'drop') continue;
      for (const other of ['local.get 0', 'i32.const 3']) {
        const operands = new Array<string>(count).fill(other);
        const rest = rests.find((text) => isValidBody(`${operands.join(';')}; ${name}; ${text}`));
        if (rest === undefined) continue; // it takes operands of another type
        for (const [i, secret] of operands.flatMap((_, at) => secrets.map((text) => [at, text] as const))) {
          refused(
            `${operands.with(i, secret).join(';')}; ${name}; ${rest}`,
            /not the function's own|computation|result/,
          );
          tried++;
        }
      }
    }
    assert.ok(tried > 400, `${tried} were tried`);
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
    for (const [word, other] of [
      ['local.get 2; local.get 0', 'local.get 1; local.get 0'],
      ['local.get 2; i32.const 4', 'local.get 1; i32.const 4'],
      [`i32.store ${L.HOME_FAULT_ADDRESS}`, `i32.store ${L.HOME_DEADLINE_MS}`],
      [`i32.store ${L.HOME_FAULT_ACCESS}`, `i32.store ${L.HOME_FAULT_KIND}`],
      [`i32.store ${L.HOME_FAULT_ACCESS}`, `i32.store16 ${L.HOME_FAULT_ACCESS}`],
      ['i32.const 4', 'local.get 2'],
    ] as const) {
      assert.ok(words.includes(word), word);
      refused(record(L.FAULT_ACCESS, `${words.replace(word, other)}; unreachable`), /fault/);
    }
  });
});
