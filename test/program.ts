/**
 * A function that does what its request says: a program of steps, each of which calls a host function. Its response is what each
 * step got, as words. So a test can say in one line what a function starts, waits for and cancels.
 */
import { guest, words } from './guests.ts';

/** `name` is a function, `result` the number of an earlier step. */
export type Step =
  /** Starts it with an ArgBuf that holds one word, or with none. */
  | readonly ['start', name: string, word?: number]
  /** Starts it with an ArgBuf that holds what an earlier step got. */
  | readonly ['startWith', name: string, result: number]
  /** Starts it with an ArgBuf that an earlier step made. */
  | readonly ['startRequest', name: string, result: number]
  | readonly ['call', name: string, word?: number]
  | readonly ['wait', result: number]
  | readonly ['waitAny', firstResult: number, count: number]
  | readonly ['waitAll', firstResult: number, count: number]
  | readonly ['cancel', result: number]
  | readonly ['sleep', milliseconds: number]
  | readonly ['busy', milliseconds: number]
  /** The value itself. */
  | readonly ['value', value: number]
  | readonly ['new', length: number]
  | readonly ['length', result: number]
  /** The word at an address that an earlier step got. */
  | readonly ['load', result: number]
  | readonly ['trap'];

const RESULTS = 0x1000;
const result = (index: string): string =>
  `(i32.load (i32.add (i32.const ${RESULTS}) (i32.shl ${index} (i32.const 2))))`;
const array = `(i32.add (i32.const ${RESULTS}) (i32.shl (local.get $a) (i32.const 2)))`;
const ofA = result('(local.get $a)');
const ofB = result('(local.get $b)');

const KINDS: Readonly<Record<Step[0], string>> = {
  start: '(call $start (call $id (local.get $a)) (call $word (local.get $b)))',
  startWith: `(call $start (call $id (local.get $a)) (call $word ${ofB}))`,
  startRequest: `(call $start (call $id (local.get $a)) ${ofB})`,
  call: '(call $call (call $id (local.get $a)) (call $word (local.get $b)))',
  wait: `(call $wait ${ofA})`,
  waitAny: `(call $wait_any ${array} (local.get $b))`,
  waitAll: `(call $wait_all ${array} (local.get $b))`,
  cancel: `(call $cancel ${ofA})`,
  sleep: '(call $sleep (local.get $a))',
  busy: '(call $busy (local.get $a))',
  value: '(local.get $a)',
  new: '(call $argbuf_new (local.get $a))',
  length: `(call $argbuf_length ${ofA})`,
  load: `(i32.load ${ofA})`,
  trap: '(unreachable)',
};

const NAMES: Step[0][] = Object.keys(KINDS) as Step[0][];

/** One block for each kind of step, the first one innermost. */
function table(): string {
  const labels = NAMES.map((_, i) => `$kind${i}`).join(' ');
  let text = `(block $kind0 (br_table ${labels} (i32.load (local.get $request))))`;
  NAMES.forEach((name, i) => {
    const body = `${text} (local.set $x ${KINDS[name]}) (br $done)`;
    text = i === NAMES.length - 1 ? `(block $done ${body})` : `(block $kind${i + 1} ${body})`;
  });
  return text;
}

const BODY = `
  (local.set $end (i32.add (local.get $request) (local.get $length)))
  (loop $next
    (local.set $a (i32.load offset=4 (local.get $request)))
    (local.set $b (i32.load offset=8 (local.get $request)))
    ${table()}
    (i32.store ${result('(local.get $n)').replace('(i32.load ', '').slice(0, -1)} (local.get $x))
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (local.set $request (i32.add (local.get $request) (i32.const 12)))
    (br_if $next (i32.lt_u (local.get $request) (local.get $end))))
  (local.set $y (call $argbuf_new (i32.shl (local.get $n) (i32.const 2))))
  (memory.copy (local.get $y) (i32.const ${RESULTS}) (i32.shl (local.get $n) (i32.const 2)))
  (local.get $y)`;

/** The module, for programs that name these functions. */
export function programModule(names: readonly string[]): Uint8Array {
  const ids = names.map((_, i) => `(if (i32.eq (local.get 0) (i32.const ${i})) (then (return (call $id${i}))))`);
  return guest(BODY, {
    names,
    locals: '(local $a i32) (local $b i32) (local $n i32) (local $end i32)',
    more: `
      (func $id (param i32) (result i32) ${ids.join(' ')} (i32.const 0))
      (func $word (param i32) (result i32) (local $address i32)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
        (local.set $address (call $argbuf_new (i32.const 4)))
        (i32.store (local.get $address) (local.get 0))
        (local.get $address))
      (func $busy (param i32) (result i32) (local $until f64)
        (local.set $until (f64.add (call $time) (f64.convert_i32_u (local.get 0))))
        (loop $l (br_if $l (f64.lt (call $time) (local.get $until))))
        (i32.const 0))`,
  });
}

/** A program as a request. */
export function program(names: readonly string[], steps: readonly Step[]): Uint8Array {
  return words(
    ...steps.flatMap(([kind, first = 0, second = 0]) => [
      NAMES.indexOf(kind),
      typeof first === 'string' ? names.indexOf(first) : first,
      second,
    ]),
  );
}
