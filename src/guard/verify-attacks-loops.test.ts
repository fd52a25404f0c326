/**
 * Attacks on what spares loops their checks: the closer look at the deadline behind them, the counters of their turns, pointers whose
 * range is known, and what is marked before them. What is safe stands beside what goes one step too far.
 */
import { describe, test } from 'node:test';
import * as L from '../../core/layout.ts';
import { checkVma, ENTRY_CHECK, FUNCTIONS, mark, refused, SUBJECT, verifyBody } from './testing-verify.ts';

const { headerSize: H, memoryLimit: LIMIT, chunkShift } = SUBJECT.layout;
const CHUNK = 2 ** chunkShift;

const CALL = `local.get 0; local.get 1; local.get 2; call ${FUNCTIONS.other}; drop`;

const LATE = `
  local.get 2; i32.load ${L.HOME_DEADLINE_MS}; i32.const 0; i32.load ${L.CONTROL_NOW_MS}; i32.sub; i32.const 0; i32.le_s`;
const LOOK = `
  local.get 2; local.get 2; i32.load ${L.HOME_END_MS}; i32.atomic.store ${L.HOME_DEADLINE_MS}
  local.get 2; i32.load ${L.HOME_INVOCATION}; i32.atomic.load ${L.INVOCATION_CANCELLED}
  local.get 2; i32.load ${L.HOME_END_MS}; i32.const 0; i32.load ${L.CONTROL_NOW_MS}; i32.sub; i32.const 0; i32.le_s
  i32.or
  if; local.get 2; call ${FUNCTIONS.interrupted}; unreachable; end`;

/** A loop with its closer look behind it: `header` and `behind` are what stands there. */
const late = (header: string, behind: string, body = 'local.get 1; br_if 0'): string => `
  block; loop; block; loop; ${header}; ${body}; end; br 2; end; ${behind}; br 0; end; end; i32.const 0`;

describe('a closer look behind the loop', () => {
  test('is reached by the check at the header', () => {
    verifyBody(late(`${LATE}; br_if 1`, LOOK));
    refused(late(`${LATE}; br_if 1`, ''), /leads to no closer look/);
    refused(late(`${LATE}; br_if 1`, 'nop'), /leads to no closer look/);
    refused(late(`${LATE}; br_if 1`, `nop; ${LOOK}`), /leads to no closer look/);
    refused(late(`${LATE}; br_if 1`, ENTRY_CHECK), /leads to no closer look/);
    // To other blocks: behind the loop that goes back, to that loop, to the loop itself, out of the function.
    refused(late(`${LATE}; br_if 3`, LOOK), /leads to no closer look/);
    refused(late(`${LATE}; br_if 2`, LOOK), /leads to no closer look/);
    refused(late(`${LATE}; br_if 0`, LOOK), /leads to no closer look/);
    refused(
      `loop; i32.const 0; ${LATE}; br_if 1; drop; local.get 1; br_if 0; end; i32.const 0`,
      /leads to no closer look/,
    );
  });

  test('in no other form', () => {
    for (const [from, to] of [
      ['i32.le_s', 'i32.lt_s'],
      ['i32.or', 'i32.and'],
      ['unreachable', 'nop'],
      ['i32.atomic.store', 'i32.store'],
      [`i32.load ${L.HOME_END_MS}`, `i32.load ${L.HOME_DEADLINE_MS}`],
      [`call ${FUNCTIONS.interrupted}`, `call ${FUNCTIONS.nothing}`],
    ] as const) {
      refused(late(`${LATE}; br_if 1`, LOOK.replace(from, to)), /leads to no closer look/);
    }
    for (const [from, to] of [
      ['i32.le_s', 'i32.gt_s'],
      ['i32.le_s', 'i32.lt_s'],
      ['i32.sub', 'i32.add'],
      [`i32.load ${L.HOME_DEADLINE_MS}`, `i32.load ${L.HOME_END_MS}`],
    ] as const) {
      refused(late(`${LATE.replace(from, to)}; br_if 1`, LOOK), /header/);
    }
    refused(late(`${LATE}; i32.eqz; br_if 1`, LOOK), /header/);
    refused(late(`${LATE}; if; unreachable; end`, LOOK), /header/);
  });

  test('is needed by each way back', () => {
    // Where the deadline has passed, nothing was checked.
    refused(late('', LOOK), /without a deadline check/);
    refused(late(`local.get 0; if; ${LATE}; br_if 2; end`, LOOK), /without a deadline check/);
    refused(late('local.get 0; br_if 1', LOOK), /without a deadline check/);
    refused(`block; loop; block; ${LATE}; br_if 0; br 2; end; br 0; end; end; i32.const 0`, /closer look/);
    refused(
      late(`${LATE}; br_if 1`, LOOK, `loop; local.get 0; br_if 0; end; local.get 1; br_if 0`),
      /without a deadline/,
    );
    // At the entry of a function: where it has not passed.
    verifyBody(`block; ${LATE}; br_if 0; ${CALL}; i32.const 0; return; end; ${LOOK}; ${CALL}; i32.const 0`);
    verifyBody(`block; block; ${LATE}; br_if 0; br 1; end; ${LOOK}; end; ${CALL}; i32.const 0`);
    refused(`block; block; ${LATE}; br_if 0; br 1; end; nop; end; ${CALL}; i32.const 0`, /leads to no closer look/);
  });
});

/** Looks at the deadline, then raises the counter in local 3 by `step`, and goes back while it is below `end`. */
const counted = (end: number, step: number, body = '', test = 'i32.lt_u'): string => `${ENTRY_CHECK}
  loop; local.get 3; drop; ${body}
    local.get 3; i32.const ${step}; i32.add; local.tee 3; i32.const ${end}; ${test}; br_if 0
  end; i32.const 0`;
/** The same with the test before: `i32.const end` and the counter are compared, then `body`, and the branch back from inside. */
const testedFirst = (end: number, step: string, body = '', compare = 'i32.lt_u'): string =>
  `${ENTRY_CHECK}; ${uncheckedFirst(end, step, body, compare)}`;
/** The same without a look at the deadline. */
const uncheckedFirst = (end: number, step: string, body = '', compare = 'i32.lt_u'): string => `
  loop; local.get 3; drop; local.get 3; i32.const ${end}; ${compare}
    if; ${body}; ${step}; br 1; end
  end; i32.const 0`;
const RAISE = 'local.get 3; i32.const 1; i32.add; local.set 3';

describe('a loop that counts its turns', () => {
  test('up to where it ends, by a constant', () => {
    verifyBody(counted(100, 1));
    verifyBody(counted(100, 7, '', 'i32.le_u'));
    verifyBody(testedFirst(100, RAISE));
    verifyBody(testedFirst(100, 'local.get 3; i32.const -1; i32.sub; local.set 3'));
    refused(counted(100, 1, '', 'i32.lt_s'), /too many turns/);
    refused(counted(100, 1, '', 'i32.ge_u'), /too many turns/);
    refused(counted(100, 1, '', 'i32.ne'), /too many turns/);
    refused(testedFirst(100, RAISE, '', 'i32.gt_u'), /too many turns/);
    refused(testedFirst(100, RAISE, '', 'i32.lt_s'), /too many turns/);
  });

  test('and not down, nor by nothing, nor by what is not known', () => {
    refused(counted(100, 0), /too many turns/);
    refused(counted(100, -1), /too many turns/);
    refused(testedFirst(100, 'local.get 3; i32.const 1; i32.sub; local.set 3'), /too many turns/);
    refused(testedFirst(100, 'local.get 3; local.get 0; i32.add; local.set 3'), /too many turns/);
    refused(testedFirst(100, 'local.get 3; local.set 3'), /too many turns/);
    refused(testedFirst(100, ''), /too many turns/);
    refused(testedFirst(100, 'i32.const 1; local.set 3'), /too many turns/);
    // So far that it comes back to where it was.
    refused(counted(100, 2 ** 30 + 1), /too many turns/);
    refused(counted(-1, 2 ** 30), /too many turns/);
    verifyBody(counted(100, 2 ** 30));
    refused(counted(2 ** 30 + 2, 2 ** 29), /too many turns/);
  });

  test('by the local that it names, and on each way back', () => {
    refused(testedFirst(100, 'local.get 4; i32.const 1; i32.add; local.set 4'), /too many turns/);
    refused(testedFirst(100, 'local.get 4; i32.const 1; i32.add; local.set 3'), /too many turns/);
    refused(testedFirst(100, RAISE, 'local.get 0; br_if 1'), /too many turns/);
    refused(testedFirst(100, `${RAISE}; i32.const 0; local.set 3`), /too many turns/);
    refused(testedFirst(100, RAISE, 'local.get 0; if; i32.const 0; local.set 3; end'), /too many turns/);
    verifyBody(testedFirst(100, RAISE, 'local.get 0; if; local.get 1; local.set 4; end'));
    verifyBody(testedFirst(100, RAISE, `local.get 0; if; ${RAISE}; br 2; end`));
    // What is counted is what it was at the header, and not later.
    refused(testedFirst(100, RAISE, 'local.get 0; local.set 3'), /too many turns/);
    refused(
      `${ENTRY_CHECK}; loop; local.get 3; drop; local.get 0; local.set 3; local.get 3; i32.const 100; i32.lt_u
       if; ${RAISE}; br 1; end; end; i32.const 0`,
      /too many turns/,
    );
    // Known on one way only.
    refused(
      `${ENTRY_CHECK}; loop; local.get 3; drop; local.get 3; i32.const 100; i32.lt_u; if; nop; end; ${RAISE}; local.get 0; br_if 0; end
       i32.const 0`,
      /too many turns/,
    );
    verifyBody(testedFirst(100, `${RAISE}; local.get 0; br_table 0 1 1`));
    refused(testedFirst(100, RAISE, 'local.get 0; br_table 0 1 1'), /too many turns/);
  });

  test('not too often, for what it does in each', () => {
    verifyBody(testedFirst(10_000, RAISE));
    refused(testedFirst(20_000, RAISE), /too many turns/);
    verifyBody(testedFirst(20_000, 'local.get 3; i32.const 2; i32.add; local.set 3'));
    refused(testedFirst(10_000, RAISE, 'nop; '.repeat(20)), /too many turns/);
    // Two ways back, each of them too often for both.
    const back = `local.get 0; if; ${RAISE}; br 2; end`;
    verifyBody(testedFirst(2500, RAISE, back));
    refused(testedFirst(4500, RAISE, back), /too many turns/);
  });

  test('without loops and calls in it', () => {
    const inner = `i32.const 0; local.set 4; loop; local.get 4; drop; local.get 4; i32.const 1; i32.add; local.tee 4; i32.const 9
      i32.lt_u; br_if 0; end`;
    verifyBody(`${ENTRY_CHECK}; ${inner}; i32.const 0`, ['i32', 'i32', 'i32', 'i32']);
    const refusedWith = (text: string, reason: RegExp): void =>
      refused(
        text
          .replaceAll('local.get 4', 'local.get 6')
          .replaceAll('local.set 4', 'local.set 6')
          .replaceAll('local.tee 4', 'local.tee 6'),
        reason,
      );
    refusedWith(testedFirst(100, RAISE, inner), /without a deadline check/);
    refused(testedFirst(100, RAISE, CALL), /without a deadline check/);
    verifyBody(testedFirst(100, RAISE, checkVma(0, 4, false)));
    // A check that was passed before it is good for the loop around, one before that is not.
    verifyBody(`loop; ${ENTRY_CHECK}; ${uncheckedFirst(100, RAISE)}; drop; local.get 1; br_if 0; end; i32.const 0`);
    refused(
      `${ENTRY_CHECK}; loop; ${uncheckedFirst(100, RAISE)}; drop; local.get 1; br_if 0; end; i32.const 0`,
      /without a deadline/,
    );
    verifyBody(`loop; ${ENTRY_CHECK}; ${uncheckedFirst(100, RAISE, 'local.get 1; br_if 2')}; drop; end; i32.const 0`);
    refused(
      `loop; ${uncheckedFirst(100, RAISE, 'local.get 1; br_if 2')}; drop; end; i32.const 0`,
      /without a deadline/,
    );
  });

  test('in a function that looks at the deadline when it is entered, and does not call', () => {
    refused(uncheckedFirst(100, RAISE), /without a deadline check/);
    refused(`local.get 0; if; ${ENTRY_CHECK}; end; ${uncheckedFirst(100, RAISE)}`, /without a deadline check/);
    refused(`${ENTRY_CHECK}; ${CALL}; ${uncheckedFirst(100, RAISE)}`, /without a deadline check/);
    refused(`${ENTRY_CHECK}; local.get 0; if; ${CALL}; end; ${uncheckedFirst(100, RAISE)}`, /without a deadline check/);
    refused(`${testedFirst(100, RAISE)}; drop; ${CALL}; i32.const 0`, /a call in a function with a loop that counts/);
    refused(
      `${testedFirst(100, RAISE)}; drop; local.get 0; local.get 1; local.get 2; return_call ${FUNCTIONS.other}`,
      /a call in a function with a loop that counts/,
    );
    // With a check of its own a loop need not count, whatever is called beside it.
    verifyBody(`${ENTRY_CHECK}; ${CALL}; loop; ${ENTRY_CHECK}; local.get 0; br_if 0; end; i32.const 0`);
  });

  test('as many of them as do no more together than one may', () => {
    const twice = (turns: number): string =>
      `${testedFirst(turns, RAISE)}; drop; i32.const 0; local.set 3; ${uncheckedFirst(turns, RAISE)}`;
    verifyBody(twice(5000));
    verifyBody(testedFirst(10_000, RAISE));
    refused(twice(10_000), /too many turns/);
    const many = (count: number): string =>
      `${ENTRY_CHECK}; ${`${uncheckedFirst(500, RAISE)}; drop; i32.const 0; local.set 3;`.repeat(count)} i32.const 0`;
    verifyBody(many(10));
    refused(many(100), /too many turns/);
  });

  test('without marks of ranges in them', () => {
    const range = `i32.const 0; i32.const 64; local.get 2; call ${FUNCTIONS.writeRange}; drop`;
    verifyBody(`${ENTRY_CHECK}; ${range}; ${uncheckedFirst(100, RAISE)}`);
    refused(testedFirst(100, RAISE, range), /a mark of a range in a loop/);
    verifyBody(`loop; ${ENTRY_CHECK}; ${range}; local.get 1; br_if 0; end; i32.const 0`);
  });

  test('and no exception goes to it', () => {
    refused(
      `${ENTRY_CHECK}; loop; local.get 3; drop; try_table - :0; i32.const 0; local.set 3; i32.const 1; throw 0; end; end; i32.const 0`,
      /an exception that goes to a loop/,
    );
  });
});

const homeStore = (index: string, offset = 0, type = 'i32.store8'): string =>
  `${index}; local.get 2; i32.add; local.get 1; ${type} ${H + offset}`;
const homeLoad = (index: string, offset = 0): string => `${index}; local.get 2; i32.add; i32.load ${H + offset}; drop`;

describe('a pointer whose range is known', () => {
  test('needs no check', () => {
    const below = (end: number, text: string): string =>
      `local.get 0; i32.const ${end}; i32.lt_u; if; ${text}; end; i32.const 0`;
    const index = 'local.get 0; i32.const 3; i32.shl; i32.const 64; i32.add';
    verifyBody(below(100, homeLoad(index)));
    const last = (LIMIT + L.RED_ZONE - 64 - 4) / 8 + 1;
    verifyBody(below(Math.floor(last), homeLoad(index)));
    refused(below(Math.floor(last) + 1, homeLoad(index)), /behind the home/);
    refused(`${homeLoad(index)}; i32.const 0`, /behind the home|before the home/);
    refused(below(100, homeLoad('local.get 0; i32.const 65; i32.sub')), /before the home|header|behind/);
    refused(below(100, homeLoad('local.get 1; i32.const 3; i32.shl')), /home/);
    refused(`local.get 0; i32.const 100; i32.lt_s; if; ${homeLoad('local.get 0')}; end; i32.const 0`, /home/);
    refused(`${below(100, '')}; drop; ${homeLoad('local.get 0')}; i32.const 0`, /home/);
    // Shifted out of 32 bits, or below 0.
    refused(below(2 ** 30, homeLoad('local.get 0; i32.const 3; i32.shl')), /home/);
  });

  test('of a byte, or of two', () => {
    const byte = (load: string): string => `i32.const 0; local.get 2; i32.add; ${load} ${H}`;
    verifyBody(`${homeLoad(byte('i32.load8_u'), LIMIT + L.RED_ZONE - 259)}; i32.const 0`);
    refused(`${homeLoad(byte('i32.load8_u'), LIMIT + L.RED_ZONE - 258)}; i32.const 0`, /behind the home/);
    verifyBody(`${homeLoad(byte('i32.load16_u'))}; i32.const 0`);
    refused(`${homeLoad(byte('i32.load16_u'), LIMIT + L.RED_ZONE - 65_538)}; i32.const 0`, /behind the home/);
    refused(`${homeLoad(byte('i32.load8_s'))}; i32.const 0`, /home/);
    refused(`${homeLoad(byte('i32.load'))}; i32.const 0`, /home/);
  });
});

describe('a range that is marked before', () => {
  const marked = (from: number, size: number): string =>
    `i32.const ${from}; i32.const ${size}; local.get 2; call ${FUNCTIONS.writeRange}; drop`;
  const below = (end: number, text: string): string =>
    `local.get 0; i32.const ${end}; i32.lt_u; if; ${text}; end; i32.const 0`;

  test('is good for all that is written there', () => {
    verifyBody(`${marked(64, 1000)}; ${below(1000, homeStore('local.get 0', 64))}`);
    verifyBody(`${marked(64, 1000)}; ${below(250, homeStore('local.get 0; i32.const 2; i32.shl', 64, 'i32.store'))}`);
    const behind = L.RESTORED_BEHIND;
    verifyBody(`${marked(64, 1000)}; ${below(1000 + behind, homeStore('local.get 0', 64))}`);
    refused(`${marked(64, 1000)}; ${below(1001 + behind, homeStore('local.get 0', 64))}`, /without a mark/);
    refused(`${marked(64, 1000)}; ${below(1000, homeStore('local.get 0', 63))}`, /without a mark/);
    refused(`${marked(64, 1000)}; ${homeStore('local.get 0', 64)}; i32.const 0`, /home/);
    verifyBody(
      `${marked(64, 1000)}; loop; ${ENTRY_CHECK}; ${below(1000, homeStore('local.get 0', 64))}; br_if 0; end; i32.const 0`,
    );
  });

  test('lies in the memory of the home', () => {
    verifyBody(`${marked(0, LIMIT)}; i32.const 0`);
    verifyBody(`${marked(LIMIT - 1, 1)}; i32.const 0`);
    refused(`${marked(0, LIMIT + 1)}; i32.const 0`, /outside of the home/);
    refused(`${marked(LIMIT, 1)}; i32.const 0`, /outside of the home/);
    refused(`${marked(-1, 2)}; i32.const 0`, /outside of the home/);
    refused(`${marked(1, -1)}; i32.const 0`, /outside of the home/);
    refused(`${marked(0, 0)}; i32.const 0`, /outside of the home/);
    refused(
      `local.get 0; i32.const 8; local.get 2; call ${FUNCTIONS.writeRange}; drop; i32.const 0`,
      /outside of the home/,
    );
    refused(
      `i32.const 8; local.get 0; local.get 2; call ${FUNCTIONS.writeRange}; drop; i32.const 0`,
      /outside of the home/,
    );
    refused(
      `i32.const 8; i32.const 8; local.get 0; call ${FUNCTIONS.writeRange}; drop; i32.const 0`,
      /does not pass base/,
    );
    // What it returns is an address.
    refused(`i32.const 8; i32.const 8; local.get 2; call ${FUNCTIONS.writeRange}`, /a call of function/);
    refused(
      `i32.const 8; i32.const 8; local.get 2; call ${FUNCTIONS.readRange}; drop; i32.const 0`,
      /a call of function/,
    );
  });

  test('on the paths on which it was', () => {
    refused(
      `local.get 1; if; ${marked(64, 1000)}; end; ${below(1000, homeStore('local.get 0', 64))}`,
      /without a mark/,
    );
    verifyBody(
      `local.get 1; if; ${marked(64, 1000)}; else; ${marked(0, 2000)}; end; ${below(1000, homeStore('local.get 0', 64))}`,
    );
    refused(
      `local.get 1; if; ${marked(64, 1000)}; else; ${marked(65, 1000)}; end; ${below(1000, homeStore('local.get 0', 64))}`,
      /without a mark/,
    );
    // A mark of a place that is no constant does not count for another one.
    const isSmall = 'local.get 1; i32.const 1000; i32.ge_u; if; unreachable; end';
    refused(`${isSmall}; ${mark(1)}; ${below(1, homeStore('local.get 0', 64))}`, /without a mark/);
    // Two ranges are one only where nothing is between them.
    verifyBody(`${marked(64, 100)}; ${marked(164, CHUNK)}; ${below(100 + CHUNK, homeStore('local.get 0', 64))}`);
    refused(
      `${marked(64, 100)}; ${marked(64 + 100 + 4 * CHUNK, 100)}; ${below(200 + 4 * CHUNK, homeStore('local.get 0', 64))}`,
      /without a mark/,
    );
  });
});
