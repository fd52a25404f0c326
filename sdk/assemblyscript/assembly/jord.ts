/**
 * The host functions of the ABI as they are (docs/abi.md); everything else in this SDK is built on them.
 *
 * The name of this file is the module name of the imports. `usize` is an address, an id or a status: all three are
 * unsigned, and a status is below 65,536.
 */

export declare function argbuf_new(length: i32): usize;
export declare function argbuf_free(address: usize): i32;
export declare function argbuf_length(address: usize): i32;
export declare function argbuf_resize(address: usize, length: i32): i32;
export declare function argbuf_protect(address: usize, permission: i32): i32;
export declare function resolve(name: usize, nameLength: i32): usize;
export declare function call(id: usize, request: usize): usize;
export declare function call_name(name: usize, nameLength: i32, request: usize): usize;
export declare function log(level: i32, text: usize, textLength: i32): i32;
export declare function time(): f64;
export declare function random(address: usize, length: i32): i32;
export declare function request_field(name: usize, nameLength: i32): usize;
export declare function request_fields(): usize;
export declare function response_field(name: usize, nameLength: i32, value: usize, valueLength: i32): i32;
