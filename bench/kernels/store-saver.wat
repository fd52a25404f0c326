;; A function that puts small values into a durable space and waits for each until it is on disk.
;;
;; Request as of store-user.wat, what 4. Each invocation has keys of its own: the key begins with 12 random bytes.
(module
  (import "jord" "argbuf_new" (func $argbuf_new (param i32) (result i32)))
  (import "jord" "time" (func $time (result f64)))
  (import "jord" "random" (func $random (param i32 i32) (result i32)))
  (import "jord" "kv_put" (func $kv_put (param i32 i32 i32 i32 i64 i64) (result i64)))
  (import "jord" "kv_sync" (func $kv_sync (param i32) (result i32)))
  (memory 1)
  (func (export "handle") (param $request i32) (param $length i32) (result i32)
    (local $round i32)
    (local $began f64)
    (local $buffer i32)
    (if (call $random (i32.const 64) (i32.const 12)) (then unreachable))
    (local.set $began (call $time))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $round) (i32.load offset=4 (local.get $request))))
        (i32.store (i32.const 76) (i32.rem_u (local.get $round) (i32.load offset=12 (local.get $request))))
        (local.set $buffer (call $argbuf_new (i32.load offset=8 (local.get $request))))
        (if (i32.le_u (local.get $buffer) (i32.const 65535)) (then unreachable))
        (if (i64.le_u
              (call $kv_put (i32.const 65536) (i32.const 64) (i32.const 16) (local.get $buffer) (i64.const -1) (i64.const 0))
              (i64.const 65535))
          (then unreachable))
        (if (call $kv_sync (i32.const 65536)) (then unreachable))
        (local.set $round (i32.add (local.get $round) (i32.const 1)))
        (br $next)))
    (local.set $buffer (call $argbuf_new (i32.const 8)))
    (f64.store (local.get $buffer) (f64.sub (call $time) (local.get $began)))
    (local.get $buffer)))
