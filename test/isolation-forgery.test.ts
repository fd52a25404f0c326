/** Modules that try to get at `base`, at the guard's own functions, or past the boundary of a call. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as L from '../core/layout.ts';
import { CALLEE_EXCEPTION, CALLEE_TRAP } from '../core/status.ts';
import type { ErrorCode } from '../src/errors.ts';
import { ABI_IMPORTS } from '../src/functions/abi.ts';
import { guardModule } from '../src/guard/guard.ts';
import { faultOf, jordError, type ObservedServer, startObserved } from './observed-server.ts';
import { handle, imports, wat } from './wat.ts';

let observed: ObservedServer;

before(async () => {
  observed = await startObserved();
  await observed.server.deploy('echo', wat(`(module (memory 1) ${handle('(local.get $request)')})`));
});
after(async () => {
  observed.memory.assertIdle();
  observed.memory.assertPristine();
  await observed.server.stop();
});

/** Deploys a module and invokes it. */
async function run(text: string | Uint8Array, request: Uint8Array = Buffer.from('request')): Promise<string> {
  await observed.server.deploy('forger', typeof text === 'string' ? wat(text) : text);
  const { body } = await observed.server.invoke('forger', request);
  return Buffer.from(body).toString('latin1');
}

/** A module that must be refused leaves no trace. */
async function refused(text: string | Uint8Array, code: ErrorCode, pattern?: RegExp): Promise<void> {
  const { server, memory } = observed;
  const before = memory.counts();
  const error = await jordError(server.deploy('refused', typeof text === 'string' ? wat(text) : text));
  assert.equal(error.code, code, error.message);
  if (pattern !== undefined) assert.match(error.message, pattern);
  assert.ok(!server.has('refused'));
  memory.assertIdle();
  assert.deepEqual(memory.counts(), before);
}

const ECHO = handle('(local.get $request)');

test('host functions are imported with their own types or not at all', async () => {
  const types: readonly (readonly [name: string, type: string])[] = [
    ['argbuf_free', '(param i32 i32) (result i32)'],
    ['argbuf_new', '(param i32 i32) (result i32)'],
    ['argbuf_new', '(param i64) (result i32)'],
    ['argbuf_new', '(param i32)'],
    ['call', '(param i32 i32 i32) (result i32)'],
    ['call_name', '(param i32 i32 i32 i32) (result i32)'],
    ['translate', '(param i32 i32 i32 i32) (result i32)'],
    ['callEnter', '(param i32 i32 i32) (result i32)'],
    ['memory', ''],
    ['jord:init', '(param i32)'],
    ['', ''],
  ];
  for (const [name, type] of types) {
    await refused(
      `(module (import "jord" "${name}" (func ${type})) (memory 1) ${ECHO})`,
      'MODULE_IMPORT_UNKNOWN',
      /jord/,
    );
  }
  for (const [module, name] of [
    ['env', 'call'],
    ['', 'jord.call'],
    ['jord.call', ''],
    ['wasi_snapshot_preview1', 'fd_write'],
    ['__proto__', 'call'],
  ] as const) {
    await refused(`(module (import "${module}" "${name}" (func)) (memory 1) ${ECHO})`, 'MODULE_IMPORT_UNKNOWN');
  }
});

test('nothing but functions and its memory can be imported', async () => {
  for (const [what, text] of [
    ['global', '(global i32)'],
    ['global', '(global (mut i32))'],
    ['table', '(table 1 funcref)'],
    ['tag', '(tag (param i32))'],
  ] as const) {
    await refused(`(module (import "jord" "memory" ${text}) ${ECHO})`, 'MODULE_UNSUPPORTED', new RegExp(what));
  }
});

test("an import called jord.memory is the function's own memory like any other", async () => {
  const text = `(module (import "jord" "memory" (memory 1 2 shared)) (data (i32.const 0x400) "mine")
    ${handle(`
      (i32.store8 (local.get $request) (i32.load8_u (i32.const 0x400)))
      (i32.store8 offset=1 (local.get $request) (i32.add (i32.const 48) (memory.size)))
      (i32.store (i32.const ${L.EXECUTOR_TABLE - 4}) (i32.const -1))
      (local.get $request)`)})`;
  assert.equal(await run(text), 'm1quest');
  await refused(`(module (import "jord" "memory" (memory 65536 65536 shared)) ${ECHO})`, 'MODULE_TOO_LARGE');
  await refused(`(module (import "jord" "memory" (memory 1)) (memory 1) ${ECHO})`, 'MODULE_UNSUPPORTED', /memory/);
});

test("the guard's own names are not special in a module", async () => {
  await refused(
    `(module (memory 1) (func (export "jord:init") (param i32)) ${ECHO})`,
    'MODULE_UNSUPPORTED',
    /jord:init/,
  );
  await refused(`(module (memory 1) (func (export "jord:init")) ${ECHO})`, 'MODULE_UNSUPPORTED', /jord:init/);
  const names = [
    'jord:init',
    'jord:memory.copy',
    'jord:memory.fill',
    'jord:write-range',
    'jord:memory.init 0',
    'jord:interrupted',
  ];
  const functions = names.map((name) => `(func $${name.replace(' ', '')} (param i32 i32 i32 i32))`).join('');
  assert.equal(await run(`(module (memory 1) ${functions} ${ECHO})`), 'request');
});

test('names of exports that JavaScript objects have of themselves are only names', async () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'then', '']) {
    assert.equal(await run(`(module (memory 1) (func (export "${name}")) ${ECHO})`), 'request', name);
  }
});

test('the guarded module exports functions only', () => {
  const text = `(module (memory (export "memory") 1) (global (export "g") (mut i32) (i32.const 0))
    (table (export "t") 1 funcref) (tag (export "e")) (func (export "f")) ${ECHO})`;
  const { bytes, exports } = guardModule(wat(text), { imports: ABI_IMPORTS });
  const module = new WebAssembly.Module(Uint8Array.from(bytes));
  assert.deepEqual(
    WebAssembly.Module.exports(module).map(({ name, kind }) => [name, kind]),
    [
      ['f', 'function'],
      ['handle', 'function'],
      ['jord:init', 'function'],
    ],
  );
  assert.deepEqual(
    exports.map(({ name }) => name),
    ['f', 'handle'],
  );
});

/** A table with functions of every type that a call could confuse; the host's among them. */
const TABLE = `(type $0 (func (result i32))) (type $1 (func (param i32) (result i32)))
  (type $2 (func (param i32 i32) (result i32))) (type $3 (func (param i32 i32 i32) (result i32)))
  (table funcref (elem $none $one $two $argbuf_new $call $call_name))
  (func $none (type $0) (i32.const 10))
  (func $one (type $1) (i32.const 11))
  (func $two (type $2) (i32.const 12))`;
/** Parameters of each entry of the table. */
const TABLE_TYPES = [0, 1, 2, 1, 2, 3];

test('an indirect call reaches a function of exactly its type, the host functions too', async () => {
  const forged = '(i32.const 0x12000000)';
  for (const call of ['call_indirect', 'return_call_indirect']) {
    for (const [index, right] of TABLE_TYPES.entries()) {
      for (let type = 0; type <= 3; type++) {
        const parameters = forged.repeat(type);
        const inner = `(func $inner (result i32) (${call} (type $${type}) ${parameters} (i32.const ${index})))`;
        const text = `(module ${imports('argbuf_new', 'call', 'call_name')} (memory 1) ${TABLE} ${inner}
          ${handle('(drop (call $inner)) (local.get $request)')})`;
        if (type === right) assert.equal(await run(text), 'request', `${call} ${index} as ${type}`);
        else assert.equal((await faultOf(run(text))).fault, 'trap', `${call} ${index} as ${type}`);
      }
    }
  }
});

test('what a host function does through a table, it does for the caller', async () => {
  const text = `(module ${imports('argbuf_new', 'call', 'call_name', 'argbuf_length')} (memory 1) ${TABLE}
    ${handle(
      `
      (local.set $own (call_indirect (type $1) (i32.const 5) (i32.const 3)))
      (if (i32.ne (call $argbuf_length (local.get $own)) (i32.const 5)) (then unreachable))
      (i32.store8 offset=4 (local.get $own) (i32.const 88))
      (local.get $own)`,
      '(local $own i32)',
    )})`;
  assert.equal(await run(text), '\0\0\0\0X');
});

test('a host function exported as `handle` does what it does for the function itself', async () => {
  for (const name of ['argbuf_resize', 'argbuf_protect', 'resolve', 'random', 'call']) {
    await observed.server.deploy('reexport', wat(`(module ${imports(name)} (export "handle" (func $${name})))`));
    for (const length of [1, 3, 200]) {
      await observed.server.invoke('reexport', new Uint8Array(length)).catch(() => {});
      observed.memory.assertIdle();
    }
  }
  const { body } = await observed.server.invoke('reexport', new Uint8Array(0)).catch((error) => ({ body: error.code }));
  assert.equal(body, 'FUNCTION_FAULT', 'the status of `call` is no response');
});

test('functions take as many parameters as V8 allows less one', async () => {
  const type = (count: number): string => `(func $f (param ${'i32 '.repeat(count)}))`;
  assert.equal(await run(`(module (memory 1) ${type(999)} ${ECHO})`), 'request');
  await refused(`(module (memory 1) ${type(1000)} ${ECHO})`, 'MODULE_TOO_LARGE', /parameters/);
});

test('a data segment outside of the initial memory is refused when the module is initialised', async () => {
  const hostile = [-1, 65536, 65535, 0x8000_0000, 0xffff_fffe, L.VTE_AREA, L.HOME_AREA, 1 << 20];
  for (const offset of hostile) {
    await refused(
      `(module (memory 1) (data (i32.const ${offset}) "xy") ${ECHO})`,
      'MODULE_INIT_FAILED',
      /may not write/,
    );
  }
  for (const expression of [
    '(i32.add (i32.const 0x7fffffff) (i32.const 0x7fffffff))',
    '(i32.mul (i32.const 0x10000) (i32.const 0x8000))',
    '(i32.sub (i32.const 0) (i32.const 1))',
    '(global.get $far)',
  ]) {
    const text = `(module (memory 1) (global $far i32 (i32.const 0x90000000)) (data (offset ${expression}) "x") ${ECHO})`;
    await refused(text, 'MODULE_INIT_FAILED');
  }
  await refused(`(module (memory 0) (data (i32.const 1) "") ${ECHO})`, 'MODULE_INIT_FAILED');
  const good = `(module (memory 1) (data (i32.const 65534) "xy") (data (i32.const 65536) "")
    ${handle('(i32.store16 (local.get $request) (i32.load16_u (i32.const 65534))) (local.get $request)')})`;
  assert.equal(await run(good), 'xyquest');
});

test('an element segment outside of its table is refused', async () => {
  for (const offset of [1, -1, 0x8000_0000]) {
    await refused(`(module (table 1 funcref) (elem (i32.const ${offset}) $handle) ${ECHO})`, 'MODULE_INIT_FAILED');
  }
});

test('a start function that attacks makes the deployment fail, and nothing else', async () => {
  const host = imports('argbuf_new', 'call_name', 'random', 'log');
  const attacks: readonly (readonly [body: string, reason: RegExp])[] = [
    [`(i32.store (i32.const ${L.VTE_AREA}) (i32.const -1))`, /may not write 4 bytes at 0x02000000/],
    ['(i64.store offset=0xffffffff (i32.const -1) (i64.const -1))', /may not write/],
    ['(memory.fill (i32.const 65536) (i32.const 1) (i32.const 0x7fff0000))', /may not write/],
    ['(memory.copy (i32.const 0) (i32.const 0x80000000) (i32.const 64))', /may not read/],
    ['(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))', /atomic.wait/],
    ['(throw $tag)', /exception/],
    ['(call $main)', /stack/],
    ['unreachable', /unreachable/],
    [
      `(drop (call $argbuf_new (i32.const 1000))) (drop (call $random (i32.const 0) (i32.const 65536)))
       (drop (call $call_name (i32.const 16) (i32.const 4) (call $argbuf_new (i32.const 9)))) unreachable`,
      /unreachable/,
    ],
  ];
  for (const [body, reason] of attacks) {
    const text = (begin: string): string => `(module ${host} (memory 1 1) (tag $tag) (data (i32.const 16) "echo")
      (func $main ${begin === '' ? '(export "_initialize")' : ''} ${body}) ${begin} ${ECHO})`;
    await refused(text('(start $main)'), 'MODULE_INIT_FAILED', reason);
    await refused(text(''), 'MODULE_INIT_FAILED', reason);
  }
});

test('a start function may call, and what it leaves is in the image and nowhere else', async () => {
  const text = `(module ${imports('argbuf_new', 'call_name')} (memory 1 1) (data (i32.const 16) "echo")
    (global $g (mut i32) (i32.const 1))
    (func $main (local $x i32)
      (local.set $x (call $argbuf_new (i32.const 1000)))
      (i32.store (local.get $x) (i32.const 0x21212121))
      (local.set $x (call $call_name (i32.const 16) (i32.const 4) (local.get $x)))
      (i32.store (i32.const 100) (i32.load (local.get $x)))
      (i32.store (i32.const 104) (local.get $x))
      (global.set $g (i32.const 0x22222222)))
    (start $main)
    ${handle(`
      (i32.store (local.get $request) (i32.load (i32.const 100)))
      (i32.store offset=4 (local.get $request) (global.get $g))
      (if (i32.load8_u offset=8 (local.get $request)) (then (drop (i32.load (i32.load (i32.const 104))))))
      (local.get $request)`)})`;
  assert.equal(await run(text, Buffer.from('12345678\0')), '!!!!""""\0');
  // The ArgBuf of the start function is gone.
  assert.equal((await faultOf(run(text, Buffer.from('123456781')))).fault, 'memory-access');
});

/** Ends of an invocation that no handler of the module may see. */
const TRAPS: readonly (readonly [body: string, fault: string])[] = [
  ['unreachable', 'trap'],
  ['(drop (i32.div_u (i32.const 1) (local.get $zero)))', 'trap'],
  ['(drop (i32.trunc_f32_s (f32.const nan)))', 'trap'],
  ['(call_indirect (type $t) (i32.const 7))', 'trap'],
  ['(call_indirect (type $t) (i32.const 0))', 'trap'],
  ['(memory.init $segment (i32.const 0) (i32.const 0) (i32.const 9))', 'trap'],
  ['(drop (i32.atomic.load (i32.const 1)))', 'trap'],
  ['(drop (i32.load (i32.const 0x70000000)))', 'memory-access'],
  ['(memory.fill (i32.const 65536) (i32.const 1) (i32.const 1))', 'memory-access'],
  ['(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))', 'atomic-wait'],
  ['(call $recurse)', 'stack-exhausted'],
];

/** A handler that says so in the response, in both forms of the exception instructions. */
const HANDLERS: readonly ((body: string) => string)[] = [
  (body) => `(try (do ${body}) (catch_all (i32.store8 (local.get $request) (i32.const 67))))`,
  (body) =>
    `(block $caught (try_table (catch_all $caught) ${body}) (return (local.get $request)))
     (i32.store8 (local.get $request) (i32.const 67))`,
];

test('no handler of the module catches a trap', async () => {
  for (const protect of HANDLERS) {
    for (const [body, fault] of TRAPS) {
      const text = `(module (memory 1 1) (type $t (func)) (data $segment "x") (table 1 funcref) (tag $tag)
        (func $recurse (call $recurse) (call $recurse))
        ${handle(`${protect(body)} (local.get $request)`, '(local $zero i32)')})`;
      assert.equal((await faultOf(run(text))).fault, fault, body);
    }
    const thrown = `(module (memory 1 1) (tag $tag) ${handle(`${protect('(throw $tag)')} (local.get $request)`)})`;
    assert.equal(await run(thrown), 'Cequest', 'an exception of its own is caught');
  }
});

test("a callee's exception or trap is a status for the caller, whatever handlers it has", async () => {
  const ends: readonly (readonly [body: string, status: number])[] = [
    ['(throw $tag (i32.const 5))', CALLEE_EXCEPTION],
    ['unreachable', CALLEE_TRAP],
  ];
  for (const protect of HANDLERS) {
    for (const [end, status] of ends) {
      // It calls itself, so that even the tag is the same.
      const text = `(module ${imports('call_name', 'argbuf_new')} (memory 1 1) (tag $tag (param i32))
        (data (i32.const 16) "forger")
        ${handle(`
          (if (i32.eq (local.get $length) (i32.const 1)) (then ${end}))
          ${protect(`
            (i32.store8 offset=1 (local.get $request)
              (call $call_name (i32.const 16) (i32.const 6) (call $argbuf_new (i32.const 1))))`)}
          (local.get $request)`)})`;
      assert.equal(await run(text), `r${String.fromCharCode(status)}quest`);
    }
  }
});

test('tail calls: to the host, far more than the stack holds, and with their own base', async () => {
  const toHost = (tail: string): string => `(module ${imports('argbuf_resize', 'call_name')} (memory 1 1)
    (data (i32.const 16) "echo") (type $3 (func (param i32 i32 i32) (result i32)))
    (table funcref (elem $call_name))
    (func $tail (param $request i32) (result i32) ${tail})
    ${handle('(return_call $tail (local.get $request))')})`;
  const parameters = '(i32.const 16) (i32.const 4) (local.get $request)';
  assert.equal(await run(toHost(`(return_call $call_name ${parameters})`)), 'request');
  assert.equal(await run(toHost(`(return_call_indirect (type $3) ${parameters} (i32.const 0))`)), 'request');
  const chain = `(module (memory 1 1)
    (func $next (param $i i32) (param $request i32) (result i32)
      (i32.store (i32.const 256) (i32.add (i32.load (i32.const 256)) (i32.const 1)))
      (if (i32.eqz (local.get $i))
        (then (i32.store (local.get $request) (i32.load (i32.const 256))) (return (local.get $request))))
      (return_call $next (i32.sub (local.get $i) (i32.const 1)) (local.get $request)))
    ${handle('(return_call $next (i32.const 1000000) (local.get $request))')})`;
  const count = Buffer.from(await run(chain), 'latin1').readUInt32LE(0);
  assert.equal(count, 1_000_001);
});

test('values of all types pass through calls and blocks beside `base`', async () => {
  const text = `(module (memory 1 1) (type $many (func (param i64 f32 f64 v128 i32) (result i32 v128 f64 f32 i64)))
    (table funcref (elem $many))
    (func $many (type $many) (local $extra i32)
      (local.get 4) (local.get 3) (local.get 2) (local.get 1) (local.get 0))
    ${handle(
      `
      (call_indirect (type $many) (i64.const 1) (f32.const 2) (f64.const 3) (v128.const i32x4 4 4 4 4) (i32.const 5) (i32.const 0))
      (local.set $a) (local.set $b) (local.set $c) (local.set $d) (local.set $e)
      (i32.store8 (local.get $request) (local.get $e))
      (i32.store8 offset=1 (local.get $request) (i32.wrap_i64 (local.get $a)))
      (i32.store8 offset=2 (local.get $request) (i32.trunc_f32_s (local.get $b)))
      (i32.store8 offset=3 (local.get $request) (i32.trunc_f64_s (local.get $c)))
      (i32.store8 offset=4 (local.get $request) (i32x4.extract_lane 3 (local.get $d)))
      (local.get $request)`,
      '(local $a i64) (local $b f32) (local $c f64) (local $d v128) (local $e i32)',
    )})`;
  assert.equal(await run(text), '\x05\x01\x02\x03\x04st');
});
