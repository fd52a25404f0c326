/** Fuzzes the decoder and the guard with mutants: whatever the bytes are, an error of the table comes, or bytes that V8 accepts. */
import { JordError } from '../../src/errors.ts';
import { ABI_IMPORTS } from '../../src/functions/abi.ts';
import { decodeModule } from '../../src/guard/decode.ts';
import { InstructionList } from '../../src/guard/instructions.ts';
import { decodeBody } from '../conformance/rebuild.ts';
import { wat } from '../wat.ts';
import { type GeneratedCase, generateCase } from './generate.ts';
import { guardAndVerify } from './guard-and-verify.ts';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';

/** Refusing a few kilobytes takes less than a millisecond. */
const TIME_MAX_MS = 2000;
/** Mutants of one original. */
const LITTER = 20;

export interface MutantResult {
  /** What the guard said, or `accepted`. */
  readonly verdict: string;
  /** Whether the decoder alone found nothing wrong. */
  readonly isDecoded: boolean;
  readonly problem: string | undefined;
}

/** Modules with something of everything, by hand. */
const TEXTS = [
  `(module (import "jord" "argbuf_new" (func $new (param i32) (result i32))) (import "jord" "time" (func (result f64)))
    (type $t (func (param i32 i64 f32 f64 v128) (result i32 i64))) (memory 1 3) (table $a 3 5 funcref) (table $b 2 externref)
    (global $g (mut i64) (i64.const 5)) (global $c i32 (i32.const 6)) (global $v (mut v128) (v128.const i64x2 1 2))
    (global $f funcref (ref.func $handle)) (tag $tag (param i32)) (tag $empty)
    (data $passive "passive") (data (i32.const 8) "active") (data (offset (i32.add (global.get $c) (i32.const 9))) "computed")
    (elem (table $a) (i32.const 0) func $handle $many) (elem $p func $handle) (elem declare func $many)
    (elem (table $a) (i32.const 1) funcref (ref.func $many) (ref.null func)) (elem $e externref (ref.null extern))
    (func $start (global.set $g (i64.const 6))) (start $start)
    (func $many (type $t) (local i32 i64) (local v128) (i32.const 1) (i64.const 2))
    (func $handle (export "handle") (param $request i32) (param $length i32) (result i32)
      (block $b (result i32)
        (drop (br_if $b (i32.const 1) (local.get $length)))
        (block $x (block $y (br_table $x $y $x (i32.const 1))))
        (try (result i32) (do (throw $tag (local.get 0))) (catch $tag) (catch_all (i32.const 1))))
      (drop (select (result funcref) (ref.func $many) (ref.null func) (ref.is_null (table.get $a (i32.const 0)))))
      (memory.init $passive (i32.const 0) (i32.const 1) (i32.const 2)) (data.drop $passive) (elem.drop $p)
      (memory.copy (i32.const 9) (global.get $c) (i32.const 2)) (memory.fill (i32.const 1) (i32.const 2) (i32.const 3))
      (drop (memory.grow (i32.const 1))) (drop (table.size $b)) (drop (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
        (v128.const i32x4 1 2 3 4) (v128.load offset=5 (i32.const 6)))) (v128.store8_lane 3 (i32.const 1) (global.get $v))
      (drop (i64.atomic.rmw.cmpxchg offset=8 (i32.const 0) (i64.const 1) (i64.const 2))) (atomic.fence)
      (return_call $new (memory.size))) (export "memory" (memory 0)) (export "a" (table $a)) (export "tag" (tag $tag)))`,
  `(module (tag $t (param i64)) (memory (export "m") 0) (func $f (param i32) (result i32)
    (block $any (drop (block $h (result i64)
      (try_table (catch $t $h) (catch_all $any) (throw $t (i64.const 1))) (i64.const 2))))
    (call_indirect (param i32) (result i32) (local.get 0) (i32.const 0))) (table 1 funcref) (elem (i32.const 0) $f)
    (func (export "handle") (param i32 i32) (result i32) (if (result i32) (local.get 1) (then (call $f (local.get 0)))
      (else (loop $l (result i32) (br_if $l (i32.load8_u (local.get 0))) (f32.store (i32.const 4) (f32.const 1.5)) (i32.const 0))))))`,
  `(module (func (export "handle") (param i32 i32) (result i32) (local.get 0)))`,
];

/** A hint for the first branch of the first function, in a custom section. */
const HINTS = [0, 31, 25, ...Buffer.from('metadata.code.branch_hint'), 1, 2, 1, 10, 1];

let texts: Uint8Array<ArrayBuffer>[] | undefined;

/** Modules that the guard accepts. */
export function handMade(): readonly Uint8Array<ArrayBuffer>[] {
  if (texts === undefined) {
    texts = TEXTS.map((source) => Uint8Array.from(wat(source)));
    const [first = new Uint8Array(0)] = texts;
    texts.push(Uint8Array.from([...first.subarray(0, 8), ...HINTS, ...first.subarray(8)]));
  }
  return texts;
}

/** The module that a mutant may be made of, with its VMAs: one for a whole litter. */
export function parentOf(seed: number, number: number, firstCallee: number): GeneratedCase {
  return generateCase(seed, Math.floor(number / LITTER), { firstCallee });
}

/** Mutant number `number` of a seed; `parent` is the bytes of its parent. */
export function mutantOf(seed: number, number: number, parent: Uint8Array): Uint8Array<ArrayBuffer> {
  const originals = [...handMade(), parent];
  const random = new Random(seed, number);
  return mutate(random, random.chance(0.6) ? parent : random.pick(originals), originals);
}

/** What becomes of it. */
export function tryMutant(bytes: Uint8Array<ArrayBuffer>): MutantResult {
  const started = performance.now();
  const decoding = attempt(() => decodeAll(bytes));
  const guarding = attempt(() => {
    const guarded = guardAndVerify(bytes, { imports: ABI_IMPORTS });
    return WebAssembly.validate(guarded.bytes) ? 'accepted' : new Error('V8 refuses the guarded module');
  });
  const tookMs = performance.now() - started;
  const problem =
    problemOf(decoding) ??
    problemOf(guarding) ??
    (tookMs > TIME_MAX_MS ? `it took ${tookMs.toFixed(0)} ms` : undefined);
  const verdict = guarding instanceof JordError ? guarding.code : String(guarding);
  return { verdict, isDecoded: decoding === 'decoded', problem };
}

function attempt(work: () => string | Error): string | Error {
  try {
    return work();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function problemOf(result: string | Error): string | undefined {
  if (typeof result === 'string' || (result instanceof JordError && result.code !== 'INTERNAL')) return undefined;
  return result.stack ?? String(result);
}

/** Everything that the decoder has, of bytes that V8 has not seen. */
function decodeAll(bytes: Uint8Array): string {
  const module = decodeModule(bytes);
  const list = new InstructionList();
  for (const body of module.bodies) decodeBody(module, body, list);
  return 'decoded';
}
