;; Computes for as long as it is told to, in registers, and answers in place. Its request: [steps: u32]. Its response: the
;; state of a xorshift generator after that many steps from 1.
(module
  (memory 0)
  (func (export "handle") (param $request i32) (param $length i32) (result i32)
    (local $steps i32)
    (local $state i32)
    (local.set $steps (i32.load (local.get $request)))
    (local.set $state (i32.const 1))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $steps)))
        (local.set $state (i32.xor (local.get $state) (i32.shl (local.get $state) (i32.const 13))))
        (local.set $state (i32.xor (local.get $state) (i32.shr_u (local.get $state) (i32.const 17))))
        (local.set $state (i32.xor (local.get $state) (i32.shl (local.get $state) (i32.const 5))))
        (local.set $steps (i32.sub (local.get $steps) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $request) (local.get $state))
    (local.get $request)))
