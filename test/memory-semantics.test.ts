/**
 * Each memory instruction does in a guarded function what it does without a guard: the same code runs in a plain instance
 * with a memory of its own, and in the server, where it gets at its home and at an ArgBuf.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MEMORY_FORMS, type MemoryForm, type Operand } from './memory-forms.ts';
import { startObserved } from './observed-server.ts';
import { handle, imports, wat } from './wat.ts';

/** The accesses are in a block of this size, with results behind it. */
const BLOCK_BYTES = 128;
const REPORT_BYTES = BLOCK_BYTES + 16;
/** What is there before, with the sign bit of each width set. */
const BEFORE = [0x85, 0xf6, 0xa7, 0x98, 0xc9, 0xda, 0xeb, 0x9c, 0x81, 0x82, 0x83, 4, 5, 6, 7, 8];
/** First operands: each width of compare-and-exchange matches what is there at one of them. */
const FIRST = [0x85n, 0xf685n, 0x98a7_f685n, 0x9ceb_dac9_98a7_f685n, 0x0102_0304_0506_0708n];
const SECOND = 0x1122_3344_5566_7788n;
const OFFSETS = [0, 40, 5000];

function constant(type: Operand, value: bigint): string {
  const low = value & 0xffff_ffffn;
  if (type === 'i32') return `(i32.const ${low})`;
  if (type === 'i64') return `(i64.const ${value})`;
  if (type === 'f32') return `(f32.reinterpret_i32 (i32.const ${low}))`;
  if (type === 'f64') return `(f64.reinterpret_i64 (i64.const ${value}))`;
  return `(v128.const i64x2 ${value} ${value ^ 0xffn})`;
}

/** What an instruction leaves. */
function resultType({ name, result }: MemoryForm): Operand | undefined {
  if (!result) return undefined;
  const [prefix] = name.split('.');
  return prefix === 'memory' ? 'i32' : (prefix as Operand);
}

/** One access; its pointer is $p + 16, so that `offset` counts, and its result goes behind the block. */
function access(form: MemoryForm, offset: number, first: bigint, lane: number): string {
  const operands = form.operands.map((type, i) => constant(type, i === 0 ? first : SECOND)).join(' ');
  const pointer = `(i32.sub (local.get $p) (i32.const ${offset - 16}))`;
  const text = `(${form.name} offset=${offset} ${form.lane ? lane : ''} ${pointer} ${operands})`;
  const type = resultType(form);
  return type === undefined ? text : `(${type}.store offset=${BLOCK_BYTES} (local.get $p) ${text})`;
}

const CASES = MEMORY_FORMS.filter(({ kind }) => kind !== 'wait').flatMap((form) =>
  OFFSETS.flatMap((offset, i) => {
    const lane = i === 0 ? 0 : 16 / form.sizeBytes - 1;
    const firsts = form.operands.length > 1 || i === 0 ? FIRST : FIRST.slice(-1);
    return firsts.map((first) => ({ form, offset, text: access(form, offset, first, lane) }));
  }),
);

const MODULE = wat(`(module ${imports('argbuf_new')} (memory (export "memory") 1 1)
  (type $case (func (param i32)))
  (table funcref (elem ${CASES.map((_, i) => `$case${i}`).join(' ')}))
  ${CASES.map(({ text }, i) => `(func $case${i} (type $case) (param $p i32) ${text})`).join('\n')}
  (func $run (export "run") (param $case i32) (param $p i32)
    (memory.fill (local.get $p) (i32.const 0x5a) (i32.const ${BLOCK_BYTES}))
    (v128.store offset=16 (local.get $p) (v128.const i8x16 ${BEFORE.join(' ')}))
    (v128.store offset=${BLOCK_BYTES} (local.get $p) (v128.const i32x4 0 0 0 0))
    (call_indirect (type $case) (local.get $p) (local.get $case)))
  ${handle(
    `(local.set $out (call $argbuf_new (i32.const ${2 * REPORT_BYTES})))
     (call $run (i32.load (local.get $request)) (i32.const 8192))
     (call $run (i32.load (local.get $request)) (local.get $out))
     (memory.copy (i32.add (local.get $out) (i32.const ${REPORT_BYTES})) (i32.const 8192) (i32.const ${REPORT_BYTES}))
     (local.get $out)`,
    '(local $out i32)',
  )})`);

test('the same bytes and results as without a guard, in the home and in an ArgBuf', async () => {
  const stub = { jord: { argbuf_new: () => 0 } };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(MODULE)), stub);
  const run = exports['run'] as (index: number, pointer: number) => void;
  const plain = Buffer.from((exports['memory'] as WebAssembly.Memory).buffer, 8192, REPORT_BYTES);
  const { server, memory } = await startObserved();
  await server.deploy('semantics', MODULE);
  const different = new Set<string>();
  for (const [i, { form, offset }] of CASES.entries()) {
    run(i, 8192);
    const { body } = await server.invoke('semantics', new Uint8Array(Uint32Array.of(i).buffer));
    const what = `${form.name} offset=${offset}, case ${i}`;
    assert.deepEqual(Buffer.from(body.subarray(REPORT_BYTES)), plain, `${what}, home`);
    assert.deepEqual(Buffer.from(body.subarray(0, REPORT_BYTES)), plain, `${what}, ArgBuf`);
    different.add(plain.toString('hex'));
  }
  assert.ok(different.size > MEMORY_FORMS.length / 2, `${different.size} different results`);
  memory.assertIdle();
  memory.assertPristine();
  await server.stop();
});
