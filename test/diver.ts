/** A function that uses up its stack to the last frames and then asks for something, with every amount of stack left. */
import { handle, imports, wat } from './wat.ts';

/** Coarse frames around the end of the stack: how many more than fit, and how many less, in steps of which size. */
const BEYOND = 100;
const SHORT_STEPS = 150;
const FINE_STEPS = 60;

/**
 * Goes down `coarse` frames, then `fine` ones of another size, asks, and comes back. The two sizes make all amounts of
 * stack possible, in steps of a few bytes. A handler for everything is around it all: it must see nothing. `bodies` are what is
 * asked, each of which leaves a number; $x is an ArgBuf of 64 bytes, the first 12 of which are the request. `before` is done with
 * all of the stack left; there it is $request.
 */
export function diverModule(
  bodies: readonly string[],
  importNames: readonly string[],
  fields: string,
  before = '',
): Uint8Array {
  const names = new Set([...importNames, 'argbuf_resize']);
  return wat(`(module $diver
  ${imports(...names)}
  (memory 1) ${fields}
  (type $operation (func (param i32) (result i32)))
  (table funcref (elem ${bodies.map((_, i) => `$operation${i}`).join(' ')}))
  ${bodies.map((text, i) => `(func $operation${i} (type $operation) (param $x i32) (result i32) ${text})`).join('\n')}
  (func $coarse (param $n i32) (param $fine i32) (param $operation i32) (param $x i32) (result i32)
    (if (result i32) (local.get $n)
      (then (i32.add (local.get $n)
        (call $coarse (i32.sub (local.get $n) (i32.const 1)) (local.get $fine) (local.get $operation) (local.get $x))))
      (else (call $fine (local.get $fine) (local.get $operation) (local.get $x) (i64.const 1) (i64.const 2) (i64.const 3)))))
  (func $fine (param $n i32) (param $operation i32) (param $x i32) (param $a i64) (param $b i64) (param $c i64) (result i32)
    (if (result i32) (local.get $n)
      (then (i32.add (i32.wrap_i64 (i64.xor (i64.mul (local.get $a) (local.get $b)) (local.get $c)))
        (call $fine (i32.sub (local.get $n) (i32.const 1)) (local.get $operation) (local.get $x)
          (i64.add (local.get $a) (local.get $c)) (local.get $c) (local.get $b))))
      (else (call_indirect (type $operation) (local.get $x) (local.get $operation)))))
  ${handle(
    `(local.set $operation (i32.load (local.get $request)))
     (local.set $coarse (i32.load offset=4 (local.get $request)))
     (local.set $fine (i32.load offset=8 (local.get $request)))
     (drop (call $argbuf_resize (local.get $request) (i32.const 64)))
     ${before}
     (try
       (do (drop (call $coarse (local.get $coarse) (local.get $fine) (local.get $operation) (local.get $request))))
       (catch_all (return (i32.const 99))))
     (i32.const 0)`,
    '(local $operation i32) (local $coarse i32) (local $fine i32)',
  )})`);
}

/** The request for one of its bodies. */
export function diveRequest(operation: number, coarse: number, fine: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(operation, coarse, fine).buffer);
}

/** The most coarse frames that a dive survives. V8 compiles the function anew meanwhile, so it is not exact. */
export async function deepest(survives: (coarse: number) => Promise<boolean>): Promise<number> {
  let [low, high] = [0, 1 << 17];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (await survives(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** From where nothing fits to where everything does, the first part of it in small steps. */
export function* depths(bottom: number): Generator<readonly [coarse: number, fine: number]> {
  for (let coarse = bottom + BEYOND; coarse > bottom - 4000; coarse -= coarse > bottom - SHORT_STEPS ? 1 : 50) {
    for (let fine = 0; fine < (coarse > bottom - FINE_STEPS ? 4 : 1); fine++) yield [coarse, fine];
  }
}
