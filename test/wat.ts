/** WebAssembly text for tests. */
import wabt from 'wabt';

const FEATURES = {
  exceptions: true,
  mutable_globals: true,
  sat_float_to_int: true,
  sign_extension: true,
  simd: true,
  threads: true,
  multi_value: true,
  tail_call: true,
  bulk_memory: true,
  reference_types: true,
  annotations: true,
  extended_const: true,
  relaxed_simd: true,
  memory64: true,
} as const;

const toolkit = await wabt();

/** An error of one's own: that of the toolkit shows its whole source, which is one line of 600 KB. */
function parse(text: string): ReturnType<typeof toolkit.parseWat> {
  try {
    return toolkit.parseWat('test.wat', text, FEATURES);
  } catch (error) {
    throw new Error(error instanceof Error ? error.message : String(error));
  }
}

/** The module of a text, with its function names. Throws with the toolkit's message when the text is wrong. */
export function wat(text: string): Uint8Array {
  const module = parse(text);
  try {
    return new Uint8Array(module.toBinary({ write_debug_names: true }).buffer);
  } finally {
    module.destroy();
  }
}

const IMPORTS: Readonly<Record<string, string>> = {
  argbuf_new: '(param i32) (result i32)',
  argbuf_free: '(param i32) (result i32)',
  argbuf_length: '(param i32) (result i32)',
  argbuf_resize: '(param i32 i32) (result i32)',
  argbuf_protect: '(param i32 i32) (result i32)',
  resolve: '(param i32 i32) (result i32)',
  call: '(param i32 i32) (result i32)',
  call_name: '(param i32 i32 i32) (result i32)',
  start: '(param i32 i32) (result i32)',
  wait: '(param i32) (result i32)',
  wait_any: '(param i32 i32) (result i32)',
  wait_all: '(param i32 i32) (result i32)',
  cancel: '(param i32) (result i32)',
  sleep: '(param i32) (result i32)',
  fetch: '(param i32) (result i32)',
  kv_open: '(param i32 i32) (result i32)',
  kv_get: '(param i32 i32 i32) (result i32)',
  kv_version: '(param i32) (result i64)',
  kv_put: '(param i32 i32 i32 i32 i64 i64) (result i64)',
  kv_delete: '(param i32 i32 i32 i64) (result i32)',
  kv_add: '(param i32 i32 i32 i64 i32) (result i32)',
  kv_expire: '(param i32 i32 i32 i64) (result i32)',
  kv_list: '(param i32 i32 i32 i32 i32 i32) (result i32)',
  kv_release: '(param i32) (result i32)',
  kv_sync: '(param i32) (result i32)',
  log: '(param i32 i32 i32) (result i32)',
  time: '(result f64)',
  random: '(param i32 i32) (result i32)',
  request_field: '(param i32 i32) (result i32)',
  request_fields: '(result i32)',
  response_field: '(param i32 i32 i32 i32) (result i32)',
};

/** Imports of host functions as `$name`, in text. */
export function imports(...names: readonly string[]): string {
  return names.map((name) => `(import "jord" "${name}" (func $${name} ${IMPORTS[name] ?? ''}))`).join('\n');
}

/** All names of the ABI's host functions. */
export const HOST_FUNCTIONS: readonly string[] = Object.keys(IMPORTS);

/** A function `handle` of this body, which has $request and $length. */
export function handle(body: string, locals = ''): string {
  return `(func $handle (export "handle") (param $request i32) (param $length i32) (result i32) ${locals} ${body})`;
}
