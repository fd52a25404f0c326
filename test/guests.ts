/** Functions for tests of a worker server with threads, and what their requests and responses look like. */
import { HOST_FUNCTIONS, handle, imports, wat } from './wat.ts';

/** Where the names that a guest resolves are, before the end of its memory. */
const NAMES_BYTES = 0x8000;
const NAME_BYTES_MAX = 32;

export interface GuestOptions {
  readonly locals?: string;
  /** Further fields of the module. */
  readonly more?: string;
  /** Functions whose ids `$id0`, `$id1` … return. */
  readonly names?: readonly string[];
  /** Of memory. Default: 1. */
  readonly pages?: number;
}

/**
 * A module whose `handle` has this body, with some pages of memory and the words $x and $y. It imports the host functions that its text calls and no
 * others, since those that can suspend make a difference.
 */
export function guest(body: string, { locals = '', more = '', names = [], pages = 1 }: GuestOptions = {}): Uint8Array {
  const ids = names.map((name, i) => {
    const address = pages * 65_536 - NAMES_BYTES + i * NAME_BYTES_MAX;
    return `(data (i32.const ${address}) "${name}")
      (func $id${i} (result i32) (call $resolve (i32.const ${address}) (i32.const ${name.length})))`;
  });
  const text = `${more} ${ids.join('\n')} ${handle(body, `(local $x i32) (local $y i32) ${locals}`)}`;
  const used = HOST_FUNCTIONS.filter((name) => new RegExp(`call \\$${name}[\\s)]`).test(text));
  return wat(`(module $guest ${imports(...used)} (memory ${pages}) ${text})`);
}

/** Returns an ArgBuf of 4 bytes with this value, which may be a status. */
export function answer(value: string): string {
  return `(local.set $x ${value}) (local.set $y (call $argbuf_new (i32.const 4)))
    (i32.store (local.get $y) (local.get $x)) (local.get $y)`;
}

/** Statement that runs until this many milliseconds have passed. */
export function busy(milliseconds: string): string {
  return `(local.set $until (f64.add (call $time) (f64.convert_i32_u ${milliseconds})))
    (loop $busy (br_if $busy (f64.lt (call $time) (local.get $until))))`;
}

const REQUEST_WORD = '(i32.load (local.get $request))';

export const ECHO: Uint8Array = guest('(local.get $request)');
/** Runs for ever. */
export const ENDLESS: Uint8Array = guest('(loop $l (br $l)) (i32.const 0)');
/** Holds its executor for as many milliseconds as the word in its request says, and returns the request. */
export const BUSY: Uint8Array = guest(`${busy(REQUEST_WORD)} (local.get $request)`, { locals: '(local $until f64)' });
/** Sleeps for as many milliseconds as the word in its request says, and returns the request. */
export const NAP: Uint8Array = guest(`(drop (call $sleep ${REQUEST_WORD})) (local.get $request)`);
/** Traps. */
export const TRAP: Uint8Array = guest('unreachable');

/** A request of words. */
export function words(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

/** The words of a response. */
export function wordsOf({ body }: { readonly body: Uint8Array }): number[] {
  return [...new Uint32Array(body.slice().buffer)];
}
