/** The host functions do nothing for a function that it may not do itself. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as L from '../core/layout.ts';
import {
  BAD_PARAMETER,
  BAD_POINTER,
  NO_SUCH_FIELD,
  NOT_A_VMA,
  NOT_MAPPED,
  NOT_THE_OWNER,
  NOT_THE_START,
  OK,
  UNKNOWN_FUNCTION,
} from '../core/status.ts';
import { type Attack, AttackRange, MEMORY_LIMIT, type Preparation } from './attack.ts';
import { startObserved } from './observed-server.ts';
import { handle, imports, wat } from './wat.ts';

/** Calls with a range ($p, $n) that must be refused, and its status; a body traps when it gets another. */
const RANGE_CALLS = [
  '(call $log (i32.const 0) (local.get $p) (local.get $n))',
  '(call $random (local.get $p) (local.get $n))',
  '(call $resolve (local.get $p) (local.get $n))',
  '(call $call_name (local.get $p) (local.get $n) (i32.const 0))',
].map((text) => ({ text, expected: `(i32.const ${BAD_POINTER})` }));

/** Calls with an ArgBuf's address $p that must be refused with status $n. */
const ARGBUF_CALLS = [
  '(call $argbuf_free (local.get $p))',
  '(call $argbuf_resize (local.get $p) (i32.const 1))',
  '(call $argbuf_resize (local.get $p) (i32.const -1))',
  '(call $argbuf_protect (local.get $p) (i32.const 0))',
  '(call $argbuf_protect (local.get $p) (i32.const 3))',
  '(call $argbuf_protect (local.get $p) (i32.const -1))',
  '(call $call (call $resolve (i32.const 32) (i32.const 4)) (local.get $p))',
  '(call $call_name (i32.const 32) (i32.const 4) (local.get $p))',
].map((text) => ({ text, expected: '(local.get $n)' }));

const LENGTH_CALL = { text: '(call $argbuf_length (local.get $p))', expected: '(i32.const -1)' };
const CALLS = [...RANGE_CALLS, ...ARGBUF_CALLS, LENGTH_CALL];

let range: AttackRange;

before(async () => {
  range = await AttackRange.open(
    CALLS.map(({ text, expected }) => `(if (i32.ne ${text} ${expected}) (then unreachable))`),
    { imports: imports('random', 'resolve', 'call', 'argbuf_length') },
  );
});
after(() => range?.close());

async function allRefused(attacks: readonly Attack[]): Promise<void> {
  assert.ok(attacks.length > 0);
  for (const [i, { status, fault }] of (await range.run(attacks)).entries()) {
    const { access = -1, pointer = 0, length } = attacks[i] ?? {};
    const what = `${CALLS[access]?.text} 0x${pointer.toString(16)} ${length}: ${JSON.stringify(fault)}`;
    assert.equal(fault, undefined, what);
    assert.equal(status, OK, what);
  }
}

test('bytes that the function may not read or write are not read or written for it', async () => {
  const { victimBase, victimStart, attackerBase, hostBase, headerSize, returned, canaries, entry } = range.targets;
  const first = canaries[0]?.start ?? 0;
  const ranges: readonly (readonly [pointer: number, length: number])[] = [
    ...[L.FUNCTION_TABLE, L.PD_TABLE, entry, hostBase, victimBase, victimStart, attackerBase + headerSize].map(
      (pointer) => [pointer, 8] as const,
    ),
    ...[first, first + 64, returned, 0x8000_0000 - 1, 2 ** 32 - headerSize, 2 ** 32 - 1].map((p) => [p, 1] as const),
    [MEMORY_LIMIT, 1],
    [MEMORY_LIMIT - 1, 2],
    [MEMORY_LIMIT + 1, 0],
    [1, MEMORY_LIMIT],
    [victimStart, 0],
    [first + 64, 0],
    [0xffff_ffff, 0],
  ];
  const calls = RANGE_CALLS.map((_, i) => i);
  // More than `random` takes at once has a status of its own.
  const attacks = calls.flatMap((access) =>
    ranges
      .filter(([, length]) => access !== 1 || length <= 65536)
      .map(([pointer, length]) => ({ access, preparation: 'nothing' as const, pointer, length })),
  );
  await allRefused(attacks);
  const huge = [0, 2, 3].flatMap((access) =>
    [0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 2 ** 32 - first, 2 ** 32 - first + 1].flatMap((length) =>
      [0, 1, first, 0xffff_ffff].map((pointer) => ({ access, preparation: 'nothing' as const, pointer, length })),
    ),
  );
  await allRefused(huge);
});

test('an ArgBuf is used by the host only within its bounds and permissions, and while it is there', async () => {
  const beyond: readonly (readonly [Preparation, number, number])[] = [
    ['own', 99, 2],
    ['own', 101, 0],
    ['shortened', 59, 2],
    ['empty', 0, 1],
    ['full', 127, 2],
    ['full', 128, 1],
    ['freed', 0, 1],
    ['freed', 0, 0],
    ['passed on', 0, 1],
    ['protected to none', 0, 1],
    ['protected to none', 0, 0],
    ["the caller's", 0, 1],
  ];
  await allRefused(
    RANGE_CALLS.flatMap((_, access) =>
      beyond.map(([preparation, pointer, length]) => ({ access, preparation, pointer, length })),
    ),
  );
  await allRefused([{ access: 1, preparation: 'protected to read', pointer: 0, length: 1 }]);
});

test("another's ArgBuf, a part of one, none, and one that is gone: each has its status and nothing happens", async () => {
  const { victimStart, attackerBase, returned, canaries, entry } = range.targets;
  const first = canaries[0]?.start ?? 0;
  const neverCarved = first - (first % 2 ** L.GRANULE_SHIFT) + 2 ** 23;
  const cases: readonly (readonly [Preparation, number, number])[] = [
    ...[first, returned, canaries.at(-1)?.start ?? 0].map((p) => ['nothing', p, NOT_THE_OWNER] as const),
    ...[first + 1, first + 64, first + 127, returned + 100].map((p) => ['nothing', p, NOT_THE_START] as const),
    ...[1, 64, MEMORY_LIMIT, L.VTE_AREA, entry, victimStart, attackerBase].map(
      (p) => ['nothing', p, NOT_A_VMA] as const,
    ),
    ...[0x7fff_ffff, neverCarved, 0xfe00_0000, 0xff00_0000, 0xffff_ffff].map((p) => ['nothing', p, NOT_A_VMA] as const),
    ['freed', 0, NOT_MAPPED],
    ['passed on', 0, NOT_MAPPED],
    ['passed to a callee that faulted', 0, NOT_MAPPED],
    ["the caller's", 0, NOT_THE_OWNER],
    ['own', 1, NOT_THE_START],
    ['own', 100, NOT_THE_START],
  ];
  const calls = ARGBUF_CALLS.map((_, i) => RANGE_CALLS.length + i);
  await allRefused(
    [...calls, CALLS.length - 1].flatMap((access) =>
      cases.map(([preparation, pointer, length]) => ({ access, preparation, pointer, length })),
    ),
  );
});

test('the HTTP side: names and values are read by the same rule', async () => {
  const { server } = await startObserved();
  const text = `(module ${imports('request_field', 'response_field', 'argbuf_new')} (memory 1 1)
    (data (i32.const 0) "x-name")
    ${handle(
      `
      (local.set $out (call $argbuf_new (i32.const 12)))
      (i32.store (local.get $out) (call $request_field (i32.load (local.get $request)) (i32.load offset=4 (local.get $request))))
      (i32.store offset=4 (local.get $out) (call $response_field
        (i32.load (local.get $request)) (i32.load offset=4 (local.get $request)) (i32.const 0) (i32.const 6)))
      (i32.store offset=8 (local.get $out) (call $response_field
        (i32.const 0) (i32.const 6) (i32.load (local.get $request)) (i32.load offset=4 (local.get $request))))
      (local.get $out)`,
      '(local $out i32)',
    )})`;
  await server.deploy('fields', wat(text));
  const http = { method: 'GET', path: '', query: '', headers: [] };
  const ask = async (pointer: number, length: number): Promise<number[]> => {
    const { body } = await server.invoke('fields', new Uint8Array(Uint32Array.of(pointer, length).buffer), { http });
    return [...new Uint32Array(body.slice().buffer)];
  };
  assert.deepEqual(await ask(0, 6), [NO_SUCH_FIELD, OK, OK]);
  for (const [pointer, length] of [
    [65536, 1],
    [65535, 2],
    [1, 65536],
    [L.VTE_AREA, 4],
    [0x8000_0000, 1],
    [0xffff_ffff, 1],
    [0, 0xffff_ffff],
  ] as const) {
    assert.deepEqual(await ask(pointer, length), [BAD_POINTER, BAD_POINTER, BAD_POINTER], `${pointer} ${length}`);
  }
  await server.stop();
});

test('random: at most 65,536 bytes at once, exactly where it is told', async () => {
  const { server, memory } = await startObserved();
  const text = `(module ${imports('random', 'argbuf_new')} (memory 2 2)
    ${handle(
      `
      (if (i32.ne (call $random (i32.const 0) (i32.const 65537)) (i32.const ${BAD_PARAMETER})) (then unreachable))
      (if (i32.ne (call $random (i32.const 0) (i32.const -1)) (i32.const ${BAD_PARAMETER})) (then unreachable))
      (if (call $random (i32.const 1000) (i32.const 3000)) (then unreachable))
      (if (call $random (i32.const 131072) (i32.const 0)) (then unreachable))
      (if (i32.ne (call $random (i32.const 131072) (i32.const 1)) (i32.const ${BAD_POINTER})) (then unreachable))
      (local.set $out (call $argbuf_new (i32.const 5000)))
      (memory.copy (local.get $out) (i32.const 0) (i32.const 5000))
      (local.get $out)`,
      '(local $out i32)',
    )})`;
  await server.deploy('random', wat(text));
  const { body } = await server.invoke('random', new Uint8Array(0));
  assert.ok(body.subarray(0, 1000).every((byte) => byte === 0) && body.subarray(4000).every((byte) => byte === 0));
  assert.ok(new Set(body.subarray(1000, 4000)).size > 200);
  memory.assertIdle();
  memory.assertPristine();
  await server.stop();
});

test('a name that is no function, however long, is an unknown function', async () => {
  const { server } = await startObserved();
  const text = `(module ${imports('resolve', 'call_name')} (memory 1 1)
    ${handle(`
      (if (i32.ne (call $resolve (local.get $request) (local.get $length)) (i32.const ${UNKNOWN_FUNCTION})) (then unreachable))
      (if (i32.ne (call $call_name (local.get $request) (local.get $length) (i32.const 0)) (i32.const ${UNKNOWN_FUNCTION}))
        (then unreachable))
      (i32.const 0)`)})`;
  await server.deploy('asker', wat(text));
  for (const name of ['x', '../asker', 'asker\0', '__proto__', 'constructor', 'asker'.repeat(60_000), '\xff\xfe']) {
    const { body } = await server.invoke('asker', Buffer.from(name, 'latin1'));
    assert.equal(body.length, 0);
  }
  await server.stop();
});
