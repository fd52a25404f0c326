/** Functions of the dispatch experiment, in WebAssembly text. */
import { assembleWat } from '../harness/wat.ts';

/** Gives back its request. */
export const ECHO = (): Promise<Uint8Array> =>
  assembleWat('echo', '(module (memory 1) (func (export "handle") (param i32 i32) (result i32) (local.get 0)))');

/** Does something as often as the first word of its request says. */
function repeat(imports: string, body: string): string {
  return `(module ${imports} (memory 1) (data (i32.const 0) "echo")
    (func (export "handle") (param $request i32) (param i32) (result i32) (local $left i32) (local $id i32)
      (local.set $left (i32.load (local.get $request)))
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        ${body}
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
      (i32.const 0)))`;
}

/** Starts `echo` without a request, and waits for it. Traps unless it answers as it should. */
export const CALLER_OF_MANY = (): Promise<Uint8Array> =>
  assembleWat(
    'caller',
    repeat(
      `(import "jord" "resolve" (func $resolve (param i32 i32) (result i32)))
       (import "jord" "start" (func $start (param i32 i32) (result i32)))
       (import "jord" "wait" (func $wait (param i32) (result i32)))`,
      `(if (i32.eqz (local.get $id)) (then (local.set $id (call $resolve (i32.const 0) (i32.const 4)))))
       (if (call $wait (call $start (local.get $id) (i32.const 0))) (then unreachable))`,
    ),
  );

/** Waits for nothing. */
export const SLEEPER = (): Promise<Uint8Array> =>
  assembleWat(
    'sleeper',
    repeat(
      '(import "jord" "sleep" (func $sleep (param i32) (result i32)))',
      '(if (call $sleep (i32.const 0)) (then unreachable))',
    ),
  );
