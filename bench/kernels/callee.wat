;; The least that a function does which is not nothing: reads and writes its request in place, writes to its own memory
;; (a chunk that has to be restored), and gives the request back as its response.
(module
  (memory 1)
  (func (export "handle") (param $request i32) (param $length i32) (result i32)
    (i32.store (local.get $request) (i32.add (i32.load (local.get $request)) (i32.const 1)))
    (i32.store (i32.const 1024) (local.get $length))
    (local.get $request)))
