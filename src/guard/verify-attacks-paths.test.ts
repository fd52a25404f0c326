/** Attacks on what is known of a local where three paths or more meet: two of them agree on a range, and nothing is known of another. */
import { test } from 'node:test';
import { refused, SUBJECT, verifyBody } from './testing-verify.ts';

const { headerSize: H } = SUBJECT.layout;
/** Two values that nothing connects, each 0 or 1. */
const FIRST = 'local.get 0; i32.const 1; i32.and';
const SECOND = 'local.get 1; i32.const 1; i32.and';
const UNKNOWN = 'local.get 1; i32.const 1; i32.mul';
/** An access that is in the home if the local is small. */
const access = (local: number): string => `local.get 2; local.get ${local}; i32.add; i32.load ${H}`;

/** Each path sets a local to one of these values, or leaves it as it was, and then they meet. */
function paths(local: number, values: readonly (string | undefined)[]): string {
  const set = (value: string | undefined): string => (value === undefined ? '' : `${value}; local.set ${local};`);
  const ways = values.map(
    (value, i) => `${set(value)} ${i < values.length - 1 ? `local.get 0; i32.const ${i + 5}; i32.eq; br_if 0;` : ''}`,
  );
  return `block; ${ways.join(' ')} end; ${access(local)}`;
}

const orders = <T>(all: readonly T[]): T[][] =>
  all.length <= 1
    ? [[...all]]
    : all.flatMap((one, i) => orders([...all.slice(0, i), ...all.slice(i + 1)]).map((rest) => [one, ...rest]));

test('where all paths have a small value, the access is proven', () => {
  verifyBody(paths(3, [FIRST, SECOND]));
  verifyBody(paths(3, [FIRST, SECOND, FIRST]));
  verifyBody(paths(3, [FIRST, 'i32.const 7', SECOND, 'i32.const 9']));
});

test('a path with a value that nothing is known of, before, between or behind others', () => {
  for (const order of orders([FIRST, SECOND, UNKNOWN])) refused(paths(3, order), /behind the home/);
  for (const order of orders([FIRST, 'i32.const 7', SECOND, UNKNOWN])) refused(paths(3, order), /behind the home/);
  refused(paths(3, [FIRST, SECOND, UNKNOWN, FIRST]), /behind the home/);
  refused(paths(3, [FIRST, UNKNOWN]), /behind the home/);
});

test('a path that leaves a parameter as it came', () => {
  // Local 1 is never read before the paths meet, so nobody has asked what it is.
  const values = [FIRST, 'local.get 0; i32.const 2; i32.shr_u; i32.const 1; i32.and'];
  const way = (value: string): string => `${value}; local.set 1; local.get 0; br_if 0;`;
  verifyBody(`block; ${values.map(way).join(' ')} i32.const 1; local.set 1; end; ${access(1)}`);
  refused(
    `block; block; local.get 0; br_if 0; ${values.map(way).join(' ').replaceAll('br_if 0', 'br_if 1')} end; end; ${access(1)}`,
    /behind the home/,
  );
  refused(
    `block; block; local.get 0; br_if 0; ${values.map(way).join(' ').replaceAll('br_if 0', 'br_if 1')} br 1; end; br 0; end; ${access(1)}`,
    /behind the home/,
  );
});

test('an arm of an if, and targets of br_table', () => {
  const three = (last: string): string => `
    local.get 0; if; ${FIRST}; local.set 3; else; local.get 1; if; ${SECOND}; local.set 3; else; ${last}; local.set 3; end; end
    ${access(3)}`;
  verifyBody(three('i32.const 3'));
  refused(three(UNKNOWN), /behind the home/);
  const table = (last: string): string => `
    block; block; block; block
    local.get 0; br_table 0 1 2
    end; ${FIRST}; local.set 3; br 2
    end; ${SECOND}; local.set 3; br 1
    end; ${last}; local.set 3; end
    ${access(3)}`;
  verifyBody(table('i32.const 3'));
  refused(table(UNKNOWN), /behind the home/);
});
