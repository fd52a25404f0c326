;; Makes nested calls and nothing else. Its request: [calls: u32][argument length in bytes: u32][name of the callee].
;; It makes one ArgBuf of that length, gives it to the callee and takes it back, as often as it was asked to. Its
;; response: the first word of the ArgBuf afterwards, which the callee counts up. Anything unexpected traps.
(module
  (import "jord" "argbuf_new" (func $argbuf_new (param i32) (result i32)))
  (import "jord" "argbuf_free" (func $argbuf_free (param i32) (result i32)))
  (import "jord" "resolve" (func $resolve (param i32 i32) (result i32)))
  (import "jord" "call" (func $call (param i32 i32) (result i32)))
  (memory 1)

  ;; An address or an id; traps when it is a status.
  (func $expect (param $result i32) (result i32)
    (if (i32.lt_u (local.get $result) (i32.const 65536)) (then unreachable))
    (local.get $result))

  (func (export "handle") (param $request i32) (param $length i32) (result i32)
    (local $calls i32)
    (local $callee i32)
    (local $argument i32)
    (local $response i32)
    (local.set $calls (i32.load (local.get $request)))
    (local.set $callee
      (call $expect
        (call $resolve
          (i32.add (local.get $request) (i32.const 8))
          (i32.sub (local.get $length) (i32.const 8)))))
    (local.set $argument (call $expect (call $argbuf_new (i32.load offset=4 (local.get $request)))))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $calls)))
        (local.set $argument (call $expect (call $call (local.get $callee) (local.get $argument))))
        (local.set $calls (i32.sub (local.get $calls) (i32.const 1)))
        (br $next)))
    (local.set $response (call $expect (call $argbuf_new (i32.const 4))))
    (i32.store (local.get $response) (i32.load (local.get $argument)))
    (if (call $argbuf_free (local.get $argument)) (then unreachable))
    (local.get $response)))
