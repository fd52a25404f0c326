/** 100,000 invocations, every tenth of them with a bad end, leave the numbers of free homes, VMAs and PDs as they were. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JordError } from '../src/errors.ts';
import { startObserved } from './observed-server.ts';
import { handle, imports, wat } from './wat.ts';

const INVOCATIONS = 100_000;
const TIME_LIMIT_MS = 60_000;

const NAMES = `(data (i32.const 0) "worker") (data (i32.const 16) "echo") (data (i32.const 32) "missing")`;
const SELF = '(call $call_name (i32.const 0) (i32.const 6) (call $request_for (i32.const LEVEL)))';

/** Bad ends, in turn. All hold ArgBufs, most of them in a caller and a callee; `LEVEL` is the end of the callee. */
const ENDS: readonly string[] = [
  'unreachable',
  '(drop (i32.load (i32.const 0x70000000)))',
  '(i64.store (local.get $held) (i64.load (i32.add (local.get $held) (i32.const 4096))))',
  '(memory.fill (local.get $held) (i32.const 1) (i32.const -1))',
  '(throw $tag)',
  '(call $endless)',
  '(return (i32.const 77))',
  '(return (i32.add (local.get $held) (i32.const 4)))',
  '(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 1)))',
  '(drop (call $argbuf_free (local.get $held))) (return (local.get $held))',
  // A callee that ends badly: the caller goes on to end badly itself, or well.
  `(drop ${SELF.replace('LEVEL', '0')}) unreachable`,
  `(drop ${SELF.replace('LEVEL', '4')})`,
  `(drop ${SELF.replace('LEVEL', '5')}) (throw $tag)`,
  `(drop ${SELF.replace('LEVEL', '6')}) (return (local.get $held))`,
  `(drop ${SELF.replace('LEVEL', '10')}) (drop ${SELF.replace('LEVEL', '12')}) (drop (i32.load (i32.const 0x70000000)))`,
  // The request and the response of a call, lost on the way.
  '(drop (call $call_name (i32.const 16) (i32.const 4) (local.get $held))) unreachable',
  '(drop (call $call_name (i32.const 32) (i32.const 7) (local.get $held))) (call $endless)',
  '(drop (call $argbuf_protect (local.get $held) (i32.const 1))) (i32.store (local.get $held) (i32.const 1))',
];

const GOOD = ENDS.length;

const WORKER = `(module ${imports('argbuf_new', 'argbuf_free', 'argbuf_protect', 'call_name')}
  (memory 1 4) ${NAMES} (tag $tag) (global $count (mut i32) (i32.const 0))
  (func $endless (call $endless) (call $endless))
  (func $request_for (param $end i32) (result i32) (local $x i32)
    (local.set $x (call $argbuf_new (i32.const 200)))
    (i32.store (local.get $x) (local.get $end))
    (local.get $x))
  (type $end (func (param i32) (result i32)))
  (table funcref (elem ${ENDS.map((_, i) => `$end${i}`).join(' ')} $good))
  ${ENDS.map((text, i) => `(func $end${i} (type $end) (param $held i32) (result i32) ${text} (i32.const 0))`).join('\n')}
  (func $good (type $end) (param $held i32) (result i32)
    (call $call_name (i32.const 16) (i32.const 4) (local.get $held)))
  ${handle(
    `(if (i32.or (global.get $count) (i32.load (i32.const 40000))) (then unreachable))
     (global.set $count (i32.const 1))
     (i32.store (i32.const 40000) (i32.const -1))
     (drop (memory.grow (i32.const 1)))
     (drop (call $argbuf_new (i32.load offset=4 (local.get $request))))
     (call_indirect (type $end) (call $request_for (i32.const 1)) (i32.load (local.get $request)))`,
  )})`;

test(`${INVOCATIONS} invocations, every tenth with a bad end`, async (t) => {
  const { server, memory, records } = await startObserved();
  await server.deploy('worker', wat(WORKER));
  await server.deploy('echo', wat(`(module (memory 1) ${handle('(local.get $request)')})`));
  const counts = { good: 0, bad: 0 };
  const invoke = async (i: number, bad: boolean): Promise<void> => {
    records.length = 0;
    const end = bad ? Math.floor(i / 10) % ENDS.length : GOOD;
    const heldBytes = 1 << (i % 17);
    try {
      const { body } = await server.invoke('worker', new Uint8Array(Uint32Array.of(end, heldBytes).buffer));
      assert.equal(body.length, bad ? body.length : 200);
      counts.good++;
    } catch (error) {
      assert.ok(bad && error instanceof JordError && error.code === 'FUNCTION_FAULT', String(error));
      counts.bad++;
    }
  };
  const census = (): unknown => ({
    ...memory.counts(),
    ...memory.vmaCensus(),
    idle: memory.functions().map((f) => f.idle.length),
  });
  // Once around, to make the homes and VMAs that all of them need.
  for (let i = 0; i < 17 * 10 * ENDS.length; i += 10) await invoke(i, true);
  for (let i = 0; i < 17; i++) await invoke(i, false);
  memory.assertIdle();
  const before = census();
  counts.good = counts.bad = 0;
  const started = performance.now();
  for (let i = 0; i < INVOCATIONS; i++) await invoke(i, i % 10 === 9);
  const elapsedMs = performance.now() - started;
  memory.assertIdle();
  memory.assertPristine();
  assert.deepEqual(census(), before);
  assert.equal(counts.good + counts.bad, INVOCATIONS);
  assert.ok(counts.bad > INVOCATIONS / 15, JSON.stringify(counts));
  assert.ok(elapsedMs < TIME_LIMIT_MS, `it took ${elapsedMs} ms`);
  t.diagnostic(`${(elapsedMs / 1000).toFixed(1)} s, ${JSON.stringify(counts)}`);
  await server.stop();
});
