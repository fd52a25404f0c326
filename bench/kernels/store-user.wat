;; A function that asks the key-value store the same again and again, and says how long that took.
;;
;; Request: i32 what (below), i32 rounds, i32 bytes of a value, i32 keys. Response: f64, the ms in which it asked.
;; Space 65536 is the first that its deployment names. Keys are 16 bytes, the last 4 of which count.
(module
  (import "jord" "argbuf_new" (func $argbuf_new (param i32) (result i32)))
  (import "jord" "argbuf_free" (func $argbuf_free (param i32) (result i32)))
  (import "jord" "time" (func $time (result f64)))
  (import "jord" "kv_get" (func $kv_get (param i32 i32 i32) (result i32)))
  (import "jord" "kv_release" (func $kv_release (param i32) (result i32)))
  (import "jord" "kv_put" (func $kv_put (param i32 i32 i32 i32 i64 i64) (result i64)))
  (import "jord" "kv_add" (func $kv_add (param i32 i32 i32 i64 i32) (result i32)))
  (memory 1)
  (data (i32.const 64) "the key no: ")
  (global $what (mut i32) (i32.const 0))
  (global $bytes (mut i32) (i32.const 0))
  (global $keys (mut i32) (i32.const 1))
  (global $ms (mut f64) (f64.const 0))
  (global $sum (mut i64) (i64.const 0))

  (func $key (param $round i32) (result i32)
    (i32.store (i32.const 76) (i32.rem_u (local.get $round) (global.get $keys)))
    (i32.const 64))

  (func $new (result i32)
    (local $buffer i32)
    (local.set $buffer (call $argbuf_new (global.get $bytes)))
    (if (i32.le_u (local.get $buffer) (i32.const 65535)) (then unreachable))
    (local.get $buffer))

  ;; what 1: gets a value, reads its last 8 bytes, and lets go of it.
  (func $get (param $round i32)
    (local $value i32)
    (local.set $value (call $kv_get (i32.const 65536) (call $key (local.get $round)) (i32.const 16)))
    (if (i32.le_u (local.get $value) (i32.const 65535)) (then unreachable))
    (global.set $sum (i64.add (global.get $sum)
      (i64.load (i32.add (local.get $value) (i32.sub (global.get $bytes) (i32.const 8))))))
    (if (call $kv_release (local.get $value)) (then unreachable)))

  (func $put (param $round i32) (param $buffer i32)
    (if (i64.le_u
          (call $kv_put (i32.const 65536) (call $key (local.get $round)) (i32.const 16) (local.get $buffer) (i64.const -1) (i64.const 0))
          (i64.const 65535))
      (then unreachable)))

  ;; what 2: puts 32 ArgBufs that were made before, off the clock.
  (func $put_some (param $round i32)
    (local $i i32)
    (local $began f64)
    (loop $make
      (i32.store (i32.add (i32.const 128) (i32.shl (local.get $i) (i32.const 2))) (call $new))
      (br_if $make (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 32))))
    (local.set $i (i32.const 0))
    (local.set $began (call $time))
    (loop $next
      (call $put (i32.add (local.get $round) (local.get $i))
        (i32.load (i32.add (i32.const 128) (i32.shl (local.get $i) (i32.const 2)))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 32))))
    (global.set $ms (f64.add (global.get $ms) (f64.sub (call $time) (local.get $began)))))

  ;; what 3: counts.
  (func $add (param $round i32)
    (if (call $kv_add (i32.const 65536) (call $key (local.get $round)) (i32.const 16) (i64.const 1) (i32.const 96))
      (then unreachable)))

  (func (export "handle") (param $request i32) (param $length i32) (result i32)
    (local $round i32)
    (local $rounds i32)
    (local $began f64)
    (local $response i32)
    (global.set $what (i32.load (local.get $request)))
    (local.set $rounds (i32.load offset=4 (local.get $request)))
    (global.set $bytes (i32.load offset=8 (local.get $request)))
    (global.set $keys (i32.load offset=12 (local.get $request)))
    (local.set $began (call $time))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $round) (local.get $rounds)))
        (if (i32.eq (global.get $what) (i32.const 1)) (then (call $get (local.get $round))))
        (if (i32.eq (global.get $what) (i32.const 3)) (then (call $add (local.get $round))))
        (if (i32.eq (global.get $what) (i32.const 2))
          (then
            (call $put_some (local.get $round))
            (local.set $round (i32.add (local.get $round) (i32.const 31)))))
        (local.set $round (i32.add (local.get $round) (i32.const 1)))
        (br $next)))
    (if (i32.ne (global.get $what) (i32.const 2))
      (then (global.set $ms (f64.sub (call $time) (local.get $began)))))
    (local.set $response (call $argbuf_new (i32.const 8)))
    (f64.store (local.get $response) (global.get $ms))
    (local.get $response)))
