/**
 * Attacks on windows: ranges that were looked for once and are accessed without a check (verify-windows.ts). What is safe stands beside
 * what goes one step too far.
 */
import { describe, test } from 'node:test';
import { guardModule } from './guard.ts';
import { assembleBody, functionNamed, openModule, withBody } from './testing-edit.ts';
import { ENTRY_CHECK, FUNCTIONS, refusalOf, refused, SUBJECT, verify, verifyBody } from './testing-verify.ts';
import { assemble } from './testing-wat.ts';
import { verifyModule } from './verify.ts';

const { headerSize: H } = SUBJECT.layout;
const CALL = `local.get 0; local.get 1; local.get 2; call ${FUNCTIONS.other}; drop`;

/** Looks for [local 0, + size), puts the window into local 3, and leaves the block where there is none. */
const find = (size: string, write = false, local = 3): string => `
  local.get 0; ${size}; local.get 2; call ${write ? FUNCTIONS.findWrite : FUNCTIONS.findRead}; local.tee ${local}
  i32.eqz; br_if 0`;
const bytes = (count: number): string => `i32.const ${count}`;
const block = (text: string): string => `block; ${text}; end; i32.const 0`;
const load = (index: string, offset = 0, type = 'i32.load', local = 3): string =>
  `local.get ${local}; ${index}; i32.add; ${type} ${offset}; drop`;
const store = (index: string, offset = 0, type = 'i32.store', local = 3): string =>
  `local.get ${local}; ${index}; i32.add; local.get 1; ${type} ${offset}`;
const at = (offset: number, type = 'i32.load'): string => `local.get 3; ${type} ${offset}; drop`;
const below = (end: number, text: string): string => `local.get 1; i32.const ${end}; i32.lt_u; if; ${text}; end`;

describe('a window of a constant size', () => {
  test('is good for what was found, and no more', () => {
    verifyBody(block(`${find(bytes(100))}; ${at(0)}; ${at(96)}; ${at(99, 'i32.load8_u')}`));
    refused(block(`${find(bytes(100))}; ${at(97)}`), /behind the range/);
    refused(block(`${find(bytes(100))}; ${at(0xffff_fffc)}`), /behind the range/);
    verifyBody(block(`${find(bytes(100))}; ${below(97, load('local.get 1'))}`));
    refused(block(`${find(bytes(100))}; ${below(98, load('local.get 1'))}`), /behind the range/);
    verifyBody(block(`${find(bytes(100))}; ${below(25, load('local.get 1; i32.const 2; i32.shl'))}`));
    refused(block(`${find(bytes(100))}; ${below(26, load('local.get 1; i32.const 2; i32.shl'))}`), /behind the range/);
    refused(block(`${find(bytes(100))}; ${load('local.get 1')}`), /behind the range/);
    verifyBody(block(`${find(bytes(100))}; ${below(10, load('local.get 1; i32.const 60; i32.add', 27))}`));
    refused(
      block(`${find(bytes(100))}; ${below(10, load('local.get 1; i32.const 60; i32.add', 28))}`),
      /behind the range/,
    );
    verifyBody(
      block(
        `${find(bytes(100))}; ${below(10, 'local.get 3; local.get 1; i32.add; i32.const 60; i32.add; i32.load 27; drop')}`,
      ),
    );
    refused(
      block(
        `${find(bytes(100))}; ${below(10, 'local.get 3; local.get 1; i32.add; i32.const -4; i32.add; i32.load; drop')}`,
      ),
      /behind the range/,
    );
    refused(block(`${find(bytes(100))}; ${below(10, load('local.get 1; i32.const 4; i32.sub'))}`), /behind the range/);
    refused(block(`${find(bytes(0))}; ${at(0, 'i32.load8_u')}`), /behind the range/);
    verifyBody(block(`${find(bytes(-1))}; ${below(0x7fff_0000, load('local.get 1'))}`));
  });

  test('must have been found', () => {
    const without = `local.get 0; i32.const 100; local.get 2; call ${FUNCTIONS.findRead}; local.set 3`;
    refused(block(`${without}; ${at(0)}`), /may not have been found/);
    refused(
      block(`${without}; local.get 3; i32.eqz; br_if 0; nop; end; block; ${at(0)}`),
      /not the function's own|may hold|found/,
    );
    refused(block(`${without}; local.get 3; i32.eqz; if; ${at(0)}; end`), /may not have been found/);
    verifyBody(block(`${without}; local.get 3; i32.eqz; if; else; ${at(0)}; end`));
    refused(
      block(`${without}; local.get 1; if; local.get 3; i32.eqz; br_if 1; end; ${at(0)}`),
      /may not have been found/,
    );
    // Another one was.
    const other = `local.get 1; i32.const 100; local.get 2; call ${FUNCTIONS.findRead}; local.set 6`;
    refused(block(`${without}; ${other}; local.get 6; i32.eqz; br_if 0; ${at(0)}`), /may not have been found/);
    verifyBody(block(`${without}; ${other}; local.get 6; i32.eqz; br_if 0; local.get 6; i32.load; drop`));
  });

  test('is for reading, or for writing too', () => {
    verifyBody(block(`${find(bytes(100), true)}; ${store('i32.const 0')}; ${at(0)}`));
    refused(block(`${find(bytes(100))}; ${store('i32.const 0')}`), /found for reading/);
    refused(block(`${find(bytes(100))}; ${find(bytes(100), true, 6)}; ${store('i32.const 0')}`), /found for reading/);
    verifyBody(block(`${find(bytes(100))}; ${find(bytes(100), true, 6)}; ${store('i32.const 0', 0, 'i32.store', 6)}`));
    refused(block(`${find(bytes(100), true)}; ${store('i32.const 97')}`), /behind the range/);
  });

  test('is over with a call', () => {
    refused(block(`${ENTRY_CHECK}; ${find(bytes(100))}; ${CALL}; ${at(0)}`), /before a call/);
    verifyBody(block(`${ENTRY_CHECK}; ${CALL}; ${find(bytes(100))}; ${at(0)}`));
    verifyBody(block(`${find(bytes(100))}; loop; ${ENTRY_CHECK}; ${at(0)}; local.get 1; br_if 0; end`));
    refused(
      block(`${find(bytes(100))}; loop; ${ENTRY_CHECK}; ${at(0)}; ${CALL}; local.get 1; br_if 0; end`),
      /before a call/,
    );
    refused(block(`${find(bytes(100))}; try; nop; catch_all; ${at(0)}; end`), /before a call/);
  });

  test('is no value of the function', () => {
    refused(`${block(find(bytes(100)))}; drop; local.get 3`, /not the function's own/);
    for (const use of [
      'local.get 3; drop',
      'local.get 3; local.get 3; i32.sub; drop',
      'local.get 3; i32.const 4; i32.sub; drop',
      'local.get 3; i32.const 4; i32.and; drop',
      'local.get 3; i32.const 0; i32.eq; drop',
      'local.get 3; local.get 0; i32.lt_u; drop',
      'local.get 3; if; end',
      'local.get 3; i32.eqz; i32.eqz; drop',
      'local.get 3; i32.eqz; drop',
      `local.get 2; local.get 3; i32.store ${H}`,
      `local.get 3; local.get 3; i32.store`,
      'local.get 3; local.get 3; i32.eqz; i32.store',
      'local.get 3; local.get 2; i32.add; i32.load; drop',
      'local.get 3; local.get 3; i32.add; i32.load; drop',
      `local.get 3; local.get 1; local.get 2; call ${FUNCTIONS.other}; drop`,
      'i32.const 0; i32.const 1; local.get 3; i32.eqz; select; drop',
      'local.get 3; br_table 0 0',
    ]) {
      refused(
        block(`${ENTRY_CHECK}; ${find(bytes(100), true)}; ${use}`),
        /not the function's|access|computation|header/,
      );
    }
    // On one path only, or of another search.
    refused(
      `block; block; ${find(bytes(100))}; br 1; end; local.get 0; local.set 3; end; ${at(0)}; i32.const 0`,
      /may hold something/,
    );
    refused(
      block(`${find(bytes(100))}; local.get 1; if; ${find(bytes(8)).replace('br_if 0', 'br_if 1')}; end; ${at(0)}`),
      /may hold something/,
    );
  });

  test('nor in a loop that looks for another', () => {
    refused(
      block(
        `${find(bytes(100))}; loop; ${ENTRY_CHECK}; ${at(0)}; ${find(bytes(8)).replace('br_if 0', 'br_if 1')}; br 0; end`,
      ),
      /may hold something/,
    );
  });
});

/** A window of n << shift bytes, n in local 1, which is at most `most`. */
const counted = (shift: number, text: string, write = false, most = 2 ** 28): string =>
  block(`local.get 1; i32.const ${most}; i32.gt_u; br_if 0
    ${find(shift === 0 ? 'local.get 1' : `local.get 1; i32.const ${shift}; i32.shl`, write)}; ${text}`);
/** In a loop whose counter, local 6, has been compared with n. */
const turns = (text: string, compare = 'i32.lt_u', bound = 'local.get 1'): string => `
  loop; ${ENTRY_CHECK}; local.get 6; ${bound}; ${compare}
    if; ${text}; local.get 6; i32.const 1; i32.add; local.set 6; br 1; end
  end`;
const index = (shift: number): string => (shift === 0 ? 'local.get 6' : `local.get 6; i32.const ${shift}; i32.shl`);

describe('a window of as many bytes as a value says', () => {
  test('is good for indices below it', () => {
    verifyBody(counted(0, turns(load(index(0), 0, 'i32.load8_u'))));
    refused(counted(0, turns(load(index(0), 1, 'i32.load8_u'))), /behind the range/);
    refused(counted(0, turns(load(index(0), 0, 'i32.load16_u'))), /behind the range/);
    verifyBody(counted(2, turns(load(index(2)))));
    verifyBody(counted(2, turns(load(index(2), 3, 'i32.load8_u'))));
    refused(counted(2, turns(load(index(2), 4, 'i32.load8_u'))), /behind the range/);
    refused(counted(2, turns(load(index(2), 1))), /behind the range/);
    verifyBody(counted(3, turns(load(`${index(3)}; i32.const 4; i32.add`))));
    refused(counted(3, turns(load(`${index(3)}; i32.const 5; i32.add`))), /behind the range/);
    refused(counted(3, turns(load(`${index(3)}; i32.const -4; i32.add`, 4))), /behind the range/);
    refused(counted(3, turns(load(`${index(3)}; i32.const 8; i32.sub`))), /behind the range/);
    verifyBody(counted(2, turns(store(index(2))), true));
    refused(counted(2, turns(store(index(2)))), /found for reading/);
  });

  test('and not for others', () => {
    refused(counted(2, turns(load(index(2)), 'i32.le_u')), /behind the range/);
    refused(counted(2, turns(load(index(2)), 'i32.lt_s')), /behind the range/);
    refused(counted(2, turns(load(index(2)), 'i32.ne')), /behind the range/);
    refused(counted(2, turns(load(index(2)), 'i32.ge_u')), /behind the range/);
    refused(counted(2, turns(load(index(2)), 'i32.gt_u')), /behind the range/);
    refused(counted(2, turns(load(index(2)), 'i32.lt_u', 'local.get 0')), /behind the range/);
    refused(counted(2, turns(load(index(3)))), /behind the range/);
    refused(counted(3, turns(load(index(2)))), /behind the range/);
    refused(counted(2, load(index(2))), /behind the range/);
    refused(counted(2, `${turns('nop')}; ${load(index(2))}`), /behind the range/);
    refused(counted(2, turns(load('local.get 0; i32.const 2; i32.shl'))), /behind the range/);
    refused(counted(2, turns(load(index(2)), 'i32.lt_u', 'local.get 1; i32.const 1; i32.add')), /behind the range/);
    // What was compared is not what it is now.
    refused(counted(2, turns(`local.get 6; i32.const 1; i32.add; local.set 6; ${load(index(2))}`)), /behind the range/);
    refused(counted(2, turns(`local.get 0; local.set 6; ${load(index(2))}`)), /behind the range/);
    refused(counted(2, `local.get 0; local.set 1; ${turns(load(index(2)))}`), /behind the range/);
    refused(counted(2, turns(`${load(index(2))}; local.get 0; local.set 1`)), /behind the range/);
  });

  test('which is not so large that bits are lost', () => {
    verifyBody(counted(3, turns(load(index(3))), false, 2 ** 28));
    refused(counted(3, turns(load(index(3))), false, 2 ** 28 + 1), /a size that is not known/);
    refused(counted(4, turns(load(index(4)))), /a size that is not known/);
    refused(block(`${find('local.get 1')}; ${at(0)}`), /a size that is not known/);
    refused(block(`${find('local.get 1; i32.const 3; i32.shl')}; ${at(0)}`), /a size that is not known/);
    refused(block(`${find('local.get 1; i32.clz')}; ${at(0)}`), /a size that is not known/);
    refused(block(`${find('local.get 2')}; ${at(0)}`), /not the function's own|a parameter/);
    // The index alone may lose bits where nothing bounds it.
    refused(counted(3, turns(load(index(3)), 'i32.gt_u')), /behind the range/);
  });
});

test('there are no windows where addresses are masked', () => {
  const source = `(module (memory 1 1)
    (func (export "subject") (param i32 i32) (result i32) (i32.const 0)))`;
  const imports = new Map();
  const masked = guardModule(assemble(source), { imports, maskAddresses: true });
  const text = (of: typeof masked): string => `
    block; local.get 0; i32.const 8; local.get 2; call ${functionNamed(openModule(of), 'jord:find-read')}; local.tee 3
    i32.eqz; br_if 0; local.get 3; i32.load; drop; end; i32.const 0`;
  const plain = guardModule(assemble(source), { imports });
  verifyModule(withBody(plain, 'subject', assembleBody(['i32'], text(plain))), { imports });
  const error = refusalOf(() =>
    verifyModule(withBody(masked, 'subject', assembleBody(['i32'], text(masked))), { imports }),
  );
  if (!/where addresses are masked/.test(error.message)) throw error;
  verify(SUBJECT);
});
