/**
 * The host functions of the ABI as they are (docs/abi.md); everything else in this SDK is built on them.
 *
 * The name of this file is the module name of the imports. `usize` is an address, an id, an invocation or a
 * status: all of them are unsigned, and a status is below 65,536. Each that is not used is left out of the module, which
 * matters: a function that imports `wait`, `wait_any`, `wait_all`, `sleep`, `fetch` or `kv_sync` is entered on a stack of its own.
 */

export declare function argbuf_new(length: i32): usize;
export declare function argbuf_free(address: usize): i32;
export declare function argbuf_length(address: usize): i32;
export declare function argbuf_resize(address: usize, length: i32): i32;
export declare function argbuf_protect(address: usize, permission: i32): i32;
export declare function resolve(name: usize, nameLength: i32): usize;
export declare function call(id: usize, request: usize): usize;
export declare function call_name(name: usize, nameLength: i32, request: usize): usize;
export declare function start(id: usize, request: usize): usize;
export declare function wait(invocation: usize): usize;
export declare function wait_any(invocations: usize, count: i32): usize;
export declare function wait_all(invocations: usize, count: i32): i32;
export declare function cancel(invocation: usize): i32;
export declare function sleep(milliseconds: i32): i32;
export declare function fetch(request: usize): usize;
export declare function log(level: i32, text: usize, textLength: i32): i32;
export declare function time(): f64;
export declare function random(address: usize, length: i32): i32;
export declare function request_field(name: usize, nameLength: i32): usize;
export declare function request_fields(): usize;
export declare function response_field(name: usize, nameLength: i32, value: usize, valueLength: i32): i32;
export declare function kv_open(name: usize, nameLength: i32): usize;
export declare function kv_get(space: i32, key: usize, keyLength: i32): usize;
export declare function kv_put(space: i32, key: usize, keyLength: i32, value: usize, expected: i64, ttlMs: i64): i64;
export declare function kv_delete(space: i32, key: usize, keyLength: i32, expected: i64): i32;
export declare function kv_add(space: i32, key: usize, keyLength: i32, delta: i64, result: usize): i32;
export declare function kv_expire(space: i32, key: usize, keyLength: i32, ttlMs: i64): i32;
export declare function kv_list(
  space: i32,
  prefix: usize,
  prefixLength: i32,
  after: usize,
  afterLength: i32,
  limit: i32,
): usize;
export declare function kv_version(value: usize): i64;
export declare function kv_release(value: usize): i32;
export declare function kv_sync(space: i32): i32;
