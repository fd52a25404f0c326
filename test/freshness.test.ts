/**
 * Freshness: no byte of an invocation is there for the next one in the same home, whatever wrote it, and new ArgBufs are
 * zero. Each test looks twice: as the function sees its home, and at the raw memory of the home, its red zone included.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RED_ZONE } from '../core/layout.ts';
import { formText, MEMORY_FORMS } from './memory-forms.ts';
import { faultOf, isZero, type ObservedServer, startObserved } from './observed-server.ts';
import { handle, imports, wat } from './wat.ts';

const PAGE = 65536;
/** A function's memory, declared and allowed; they lead to each chunk size that the guard uses. */
const LIMITS_BYTES = [PAGE, 2 * PAGE, 2 ** 21, 2 ** 21 + PAGE, 2 ** 22 + PAGE, 2 ** 24];
const OFFSETS = [0, 1, RED_ZONE - 16, RED_ZONE, PAGE / 2];
/** Each instruction that writes, with each offset. Waits and loads write nothing. */
const WRITES = MEMORY_FORMS.filter(({ access }) => access === 'write').flatMap((form) =>
  OFFSETS.map((offset) => ({ form, offset })),
);

const SWEEP = `(local $at i32)
  (loop $next
    (i64.store (local.get $at) (i64.const 0x5555555555555555))
    (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (global.get $limit))))`;

/** Ways to write everything; each is the body of a function. */
const WRITERS: Readonly<Record<string, string>> = {
  'stores of 8 bytes': `${SWEEP} (drop (memory.grow (i32.const 0)))`,
  'stores into the red zone': `(local $at i32)
    (local.set $at (i32.sub (global.get $limit) (i32.const ${RED_ZONE - 1})))
    (loop $next
      (i32.store8 offset=${RED_ZONE - 1} (local.get $at) (i32.const 0x55))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (global.get $limit))))`,
  'vectors across the end of each chunk': `(local $at i32)
    (local.set $at (i32.const 255))
    (loop $next
      (v128.store (local.get $at) (v128.const i32x4 0x55555555 0x55555555 0x55555555 0x55555555))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 256))) (global.get $limit))))`,
  'single bytes at both ends of each chunk': `(local $at i32)
    (loop $next
      (i32.store8 (local.get $at) (i32.const 0x55))
      (i32.store8 offset=255 (local.get $at) (i32.const 0x55))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 256))) (global.get $limit))))`,
  'one pointer with many offsets': `(local $at i32)
    (loop $next
      (i64.store (local.get $at) (i64.const -1))
      (i64.store offset=509 (local.get $at) (i64.const -1))
      (i64.store offset=3000 (local.get $at) (i64.const -1))
      (i64.store offset=4088 (local.get $at) (i64.const -1))
      (i32.store8 offset=16000 (local.get $at) (i32.const -1))
      (i64.store offset=1024 (local.get $at) (i64.const -1))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16384))) (i32.sub (global.get $limit) (i32.const 16384)))))`,
  'a pointer that walks after it was used': `(local $at i32)
    (i32.store8 (local.get $at) (i32.const 1))
    (loop $next
      (drop (i32.load8_u (local.get $at)))
      (i32.store8 (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 100)))
      (if (i32.and (local.get $at) (i32.const 1024)) (then (local.set $at (i32.add (local.get $at) (i32.const 2048)))))
      (br_if $next (i32.lt_u (local.get $at) (global.get $limit))))`,
  'read first, then written': `(local $at i32)
    (loop $next
      (i64.store (local.get $at) (i64.sub (i64.load (local.get $at)) (i64.const 1)))
      (i64.store offset=504 (local.get $at) (i64.sub (i64.load offset=504 (local.get $at)) (i64.const 1)))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 512))) (global.get $limit))))`,
  'memory.fill': '(memory.fill (i32.const 0) (i32.const 0x55) (global.get $limit))',
  'memory.fill of single bytes across chunks': `(local $at i32)
    (loop $next
      (memory.fill (i32.add (local.get $at) (i32.const 511)) (i32.const 0x55) (i32.const 2))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (global.get $limit))))`,
  'memory.copy inside': `(memory.copy (i32.const 1) (i32.const 0) (i32.sub (global.get $limit) (i32.const 1)))
    (memory.copy (i32.const 70) (i32.const 0) (i32.sub (global.get $limit) (i32.const 70)))`,
  'memory.copy from an ArgBuf': `(local $x i32)
    (local.set $x (call $argbuf_new (global.get $limit)))
    (memory.fill (local.get $x) (i32.const 0x55) (global.get $limit))
    (memory.copy (i32.const 0) (local.get $x) (global.get $limit))`,
  'memory.init': `(local $at i32)
    (loop $next
      (memory.init $passive (local.get $at) (i32.const 0) (i32.const 16))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 500))) (i32.sub (global.get $limit) (i32.const 16)))))`,
  'the host': `(local $at i32)
    (loop $next
      (if (call $random (local.get $at) (i32.const 65536)) (then unreachable))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 65536))) (global.get $limit))))`,
  'the host, a few bytes across a chunk': `(if (call $random (i32.const 1020) (i32.const 9)) (then unreachable))
    (if (call $random (i32.sub (global.get $limit) (i32.const 3)) (i32.const 3)) (then unreachable))`,
  globals: `(global.set $i32 (i32.const -1)) (global.set $i64 (i64.const -1)) (global.set $f32 (f32.const nan))
    (global.set $f64 (f64.const nan)) (global.set $v128 (v128.const i64x2 -1 -1))`,
  'dropped segments': '(data.drop $passive) (data.drop $active)',
  'memory.grow': `(if (i32.eq (memory.grow (i32.sub (i32.div_u (global.get $limit) (i32.const 65536)) (memory.size))) (i32.const -1))
    (then unreachable)) (i32.store8 (i32.sub (global.get $limit) (i32.const 1)) (i32.const 1))`,
  'everything at once, twice': '(call $all) (call $all)',
};

/** Bytes of the report before the memory: globals, memory.size, and what of the passive segment is there. */
const REPORT_HEAD = 80;

/**
 * The request is a list of pairs of words. (−1, 0) asks for a report of all that the function sees; (−2, n) runs writer n;
 * (−3, 0) faults; (n, p) does write n at p.
 */
function scribblerModule(limit: number): Uint8Array {
  const writers = Object.values(WRITERS);
  const names = Object.keys(WRITERS);
  // Not itself, and no dropped segment, which others use.
  const all = names.flatMap((name, i) => (/at once|dropped/.test(name) ? [] : [`(call $writer${i})`]));
  return wat(`(module $scribbler ${imports('argbuf_new', 'random')}
    (memory 1)
    (data $active (i32.const 500) "the image has this text across the end of a chunk")
    (data (i32.const ${PAGE - 8}) "the end.") (data $passive "passive segment.")
    (global $limit i32 (i32.const ${limit}))
    (global $i32 (mut i32) (i32.const 11)) (global $i64 (mut i64) (i64.const 12)) (global $f32 (mut f32) (f32.const 13))
    (global $f64 (mut f64) (f64.const 14)) (global $v128 (mut v128) (v128.const i32x4 15 16 17 18))
    (type $write (func (param i32)))
    (type $writer (func))
    (table $writes funcref (elem ${WRITES.map((_, i) => `$write${i}`).join(' ')}))
    (table $writers funcref (elem ${writers.map((_, i) => `$writer${i}`).join(' ')}))
    ${WRITES.map(({ form, offset }, i) => `(func $write${i} (type $write) (param $p i32) ${formText(form, '(local.get $p)', offset)})`).join('\n')}
    ${writers.map((body, i) => `(func $writer${i} (type $writer) ${body})`).join('\n')}
    (func $all ${all.join(' ')})
    (func $report (result i32) (local $out i32) (local $at i32)
      (local.set $out (call $argbuf_new (i32.add (global.get $limit) (i32.const ${REPORT_HEAD + RED_ZONE}))))
      (memory.copy (i32.add (local.get $out) (i32.const ${REPORT_HEAD})) (i32.const 0) (global.get $limit))
      (local.set $at (i32.sub (global.get $limit) (i32.const ${RED_ZONE - 1})))
      (loop $next
        (i32.store8 offset=${REPORT_HEAD + RED_ZONE - 1} (i32.add (local.get $out) (local.get $at))
          (i32.load8_u offset=${RED_ZONE - 1} (local.get $at)))
        (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (global.get $limit))))
      (i32.store (local.get $out) (global.get $i32))
      (i64.store offset=8 (local.get $out) (global.get $i64))
      (f32.store offset=16 (local.get $out) (global.get $f32))
      (f64.store offset=24 (local.get $out) (global.get $f64))
      (v128.store offset=32 (local.get $out) (global.get $v128))
      (i32.store offset=48 (local.get $out) (memory.size))
      (memory.init $passive (i32.add (local.get $out) (i32.const 64)) (i32.const 0) (i32.const 16))
      (local.get $out))
    ${handle(
      `
      (loop $next
        (local.set $kind (i32.load (local.get $request)))
        (local.set $value (i32.load offset=4 (local.get $request)))
        (if (i32.eq (local.get $kind) (i32.const -1)) (then (return (call $report))))
        (if (i32.eq (local.get $kind) (i32.const -2)) (then (call_indirect $writers (type $writer) (local.get $value))))
        (if (i32.eq (local.get $kind) (i32.const -3)) (then unreachable))
        (if (i32.ge_s (local.get $kind) (i32.const 0))
          (then (call_indirect $writes (type $write) (local.get $value) (local.get $kind))))
        (local.set $request (i32.add (local.get $request) (i32.const 8)))
        (local.set $length (i32.sub (local.get $length) (i32.const 8)))
        (br_if $next (local.get $length)))
      (i32.const 0)`,
      '(local $kind i32) (local $value i32)',
    )})`);
}

type Step = readonly [kind: number, value: number];

const REPORT: Step = [-1, 0];
const FAULT: Step = [-3, 0];

class Scribbler {
  readonly observed: ObservedServer;
  #pristine: Buffer = Buffer.alloc(0);
  /** Base of its only home. */
  #home = 0;

  private constructor(observed: ObservedServer) {
    this.observed = observed;
  }

  static async open(limit: number): Promise<Scribbler> {
    const scribbler = new Scribbler(await startObserved());
    const { server } = scribbler.observed;
    await server.deploy('scribbler', scribblerModule(limit), { memoryLimitBytes: limit });
    scribbler.#pristine = await scribbler.run([REPORT]);
    assert.ok(scribbler.#pristine.equals(expectedReport(limit)));
    scribbler.#home = scribbler.observed.memory.functions()[0]?.idle[0] ?? 0;
    return scribbler;
  }

  async run(steps: readonly Step[]): Promise<Buffer> {
    const { body } = await this.observed.server.invoke('scribbler', requestOf(steps));
    return Buffer.from(body);
  }

  /** Some bytes of the home, which are zero in its image. */
  assertZero(address: number, sizeBytes: number, what: string): void {
    const { memory } = this.observed;
    const start = memory.homeStart(this.#home) + address;
    assert.ok(isZero(memory.bytes.subarray(start, start + sizeBytes)), what);
  }

  /** All is as at first, and it was the same home all the time. */
  async assertFresh(what: string): Promise<void> {
    const report = await this.run([REPORT]);
    if (!report.equals(this.#pristine)) {
      const at = report.findIndex((byte, i) => byte !== this.#pristine[i]);
      assert.fail(
        `${what}: byte ${at - REPORT_HEAD} of the memory (negative: before it) is 0x${report[at]?.toString(16)}`,
      );
    }
    this.observed.memory.assertIdle();
    this.observed.memory.assertPristine();
    assert.equal(this.observed.server.inspect('scribbler').homes, 1);
  }
}

function requestOf(steps: readonly Step[]): Uint8Array {
  return new Uint8Array(Int32Array.from(steps.flat()).buffer);
}

/** What the module's text says, worked out here. */
function expectedReport(limit: number): Buffer {
  const report = Buffer.alloc(REPORT_HEAD + limit + RED_ZONE);
  report.writeInt32LE(11, 0);
  report.writeBigInt64LE(12n, 8);
  report.writeFloatLE(13, 16);
  report.writeDoubleLE(14, 24);
  for (const [i, lane] of [15, 16, 17, 18].entries()) report.writeInt32LE(lane, 32 + 4 * i);
  report.writeInt32LE(1, 48);
  report.write('passive segment.', 64);
  report.write('the image has this text across the end of a chunk', REPORT_HEAD + 500);
  report.write('the end.', REPORT_HEAD + PAGE - 8);
  return report;
}

/** From here on a report of everything takes long: the raw memory is compared each time, the report comes at the end. */
const REPORTED_BYTES_MAX = 2 ** 22;

for (const limit of LIMITS_BYTES) {
  test(`everything that can be written, in a home of ${limit} bytes`, async () => {
    const scribbler = await Scribbler.open(limit);
    for (const [i, name] of Object.keys(WRITERS).entries()) {
      await scribbler.run([[-2, i]]);
      if (limit > REPORTED_BYTES_MAX) {
        scribbler.observed.memory.assertPristine();
        continue;
      }
      await scribbler.assertFresh(name);
      const fault = await faultOf(scribbler.run([[-2, i], FAULT]));
      assert.equal(fault.reason, 'unreachable', name);
      await scribbler.assertFresh(`${name}, then a fault`);
    }
    await scribbler.assertFresh('all');
    await scribbler.observed.server.stop();
  });
}

test('each instruction that writes, at the end of a chunk and of the home', async () => {
  for (const limit of [2 * PAGE, 2 ** 22]) {
    const scribbler = await Scribbler.open(limit);
    for (const [i, { form, offset }] of WRITES.entries()) {
      const { sizeBytes, atomic } = form;
      const distances = Array.from({ length: sizeBytes }, (_, k) => k + 1).filter(
        (k) => !atomic || k % sizeBytes === 0,
      );
      const addresses = [1024, 4096, 40960, limit].flatMap((end) => distances.map((distance) => end - distance));
      // One at a time, so that no chunk is restored because of another write.
      for (const address of addresses.filter((address) => address >= offset)) {
        await scribbler.run([[i, address - offset]]);
        scribbler.assertZero(address, sizeBytes, `${form.name} offset=${offset} at ${address}`);
      }
    }
    await scribbler.assertFresh('all');
    await scribbler.observed.server.stop();
  }
});

test('property: any writes', async () => {
  for (const limit of [PAGE, 2 ** 21 + PAGE]) {
    const scribbler = await Scribbler.open(limit);
    const place = fc.oneof(
      fc.nat(limit - 1),
      fc
        .tuple(fc.nat(limit / 512), fc.integer({ min: -17, max: 1 }))
        .map(([chunk, distance]) => chunk * 512 + distance),
      fc.integer({ min: limit - 20, max: limit + 2 }),
    );
    const write = fc.tuple(fc.nat(WRITES.length - 1), place).map(([i, address]): Step => {
      const { form, offset } = WRITES[i] ?? { form: undefined, offset: 0 };
      const aligned = form?.atomic ? address - (address % form.sizeBytes) : address;
      return [i, Math.max(aligned - offset, 0)];
    });
    const writes = fc.array(write, { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(writes, async (steps) => {
        // Some of them fault, which ends the invocation there.
        await scribbler.run(steps).catch(() => {});
        await scribbler.assertFresh(JSON.stringify(steps));
      }),
      { numRuns: 40 },
    );
    await scribbler.observed.server.stop();
  }
});

test('the largest home', async () => {
  const limit = 2 ** 29;
  const { server, memory } = await startObserved();
  const text = `(module ${imports('argbuf_new')} (memory 1)
    (func $visit (param $write i32) (result i32) (local $at i32) (local $seen i32)
      (loop $next
        (local.set $seen (i32.or (local.get $seen) (i32.load8_u (local.get $at))))
        (local.set $seen (i32.or (local.get $seen) (i32.load8_u offset=15 (local.get $at))))
        (if (local.get $write)
          (then (v128.store (local.get $at) (v128.const i32x4 -1 -1 -1 -1))))
        (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 0xffff1))) (i32.const ${limit}))))
      (local.set $seen (i32.or (local.get $seen) (i32.load offset=${RED_ZONE - 8} (i32.const ${limit - 1}))))
      (if (local.get $write) (then (i32.store offset=${RED_ZONE - 8} (i32.const ${limit - 1}) (i32.const -1))))
      (local.get $seen))
    ${handle(`
      (drop (memory.grow (i32.const 8191)))
      (if (i32.ne (memory.size) (i32.const 8192)) (then unreachable))
      (i32.store8 (local.get $request) (call $visit (local.get $length)))
      (i32.store8 offset=1 (local.get $request) (call $visit (i32.const 0)))
      (local.get $request)`)})`;
  await server.deploy('large', wat(text), { memoryLimitBytes: limit });
  for (let round = 0; round < 3; round++) {
    const { body } = await server.invoke('large', Uint8Array.of(1, 1));
    assert.deepEqual([...body], [0, 255], 'what it wrote is there for itself, and not for the next one');
  }
  memory.assertIdle();
  const [f] = memory.functions();
  const start = (f?.idle[0] ?? 0) + (f?.headerSize ?? 0);
  for (let at = 0; at < limit; at += 0xffff1) {
    assert.ok(memory.bytes.subarray(start + at, start + at + 64).every((byte) => byte === 0));
  }
  assert.ok(memory.bytes.subarray(start + limit, start + limit + RED_ZONE).every((byte) => byte === 0));
  await server.stop();
});

/** Fills ArgBufs of many sizes to the last byte of their size class, and looks at new ones of all sizes. */
const ARGBUFS = `(module ${imports('argbuf_new', 'argbuf_free', 'argbuf_resize', 'argbuf_length', 'request_field', 'call_name')}
  (memory 1) (data (i32.const 0) "x-field") (data (i32.const 16) "argbufs")
  (func $class (param $length i32) (result i32)
    (if (result i32) (i32.le_u (local.get $length) (i32.const 128)) (then (i32.const 128))
      (else (i32.shl (i32.const 1) (i32.sub (i32.const 32) (i32.clz (i32.sub (local.get $length) (i32.const 1))))))))
  (func $fill (param $x i32) (local $class i32)
    (local.set $class (call $class (call $argbuf_length (local.get $x))))
    (if (call $argbuf_resize (local.get $x) (local.get $class)) (then unreachable))
    (memory.fill (local.get $x) (i32.const 0x55) (local.get $class)))
  (func $check (param $x i32) (param $at i32) (local $class i32)
    (local.set $class (call $class (call $argbuf_length (local.get $x))))
    (call $zero (local.get $x) (local.get $at) (call $argbuf_length (local.get $x)))
    (if (call $argbuf_resize (local.get $x) (local.get $class)) (then unreachable))
    (call $zero (local.get $x) (local.get $at) (local.get $class)))
  (func $zero (param $x i32) (param $at i32) (param $end i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (if (i32.load8_u (i32.add (local.get $x) (local.get $at))) (then unreachable))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next))))
  (func $visit (param $length i32) (param $fill i32) (local $x i32)
    (local.set $x (call $argbuf_new (local.get $length)))
    (if (i32.le_u (local.get $x) (i32.const 65535)) (then unreachable))
    (if (i32.ne (call $argbuf_length (local.get $x)) (local.get $length)) (then unreachable))
    (call $check (local.get $x) (i32.const 0))
    (if (local.get $fill) (then (call $fill (local.get $x))))
    (if (i32.and (local.get $length) (i32.const 1)) (then (if (call $argbuf_free (local.get $x)) (then unreachable)))))
  ${handle(
    `
    (local.set $mode (i32.load8_u (local.get $request)))
    (i32.store8 (local.get $request) (i32.const 0))
    (call $check (local.get $request) (i32.const 1))
    (call $fill (local.get $request))
    (local.set $field (call $request_field (i32.const 0) (i32.const 7)))
    (if (i32.gt_u (local.get $field) (i32.const 65535))
      (then (call $check (local.get $field) (i32.const 3)) (call $fill (local.get $field))))
    (loop $sizes
      (call $visit (local.get $size) (i32.and (local.get $mode) (i32.const 1)))
      (local.set $size (i32.add (i32.add (local.get $size) (i32.shr_u (local.get $size) (i32.const 4))) (i32.const 1)))
      (br_if $sizes (i32.lt_u (local.get $size) (i32.const 300000))))
    (if (i32.and (local.get $mode) (i32.const 2)) (then unreachable))
    (i32.const 0)`,
    '(local $mode i32) (local $size i32) (local $field i32)',
  )})`;

test('new ArgBufs are zero to the end of their size class, whoever had them before', async () => {
  const { server, memory } = await startObserved();
  await server.deploy('argbufs', wat(ARGBUFS));
  const http = { method: 'GET', path: '', query: '', headers: [['x-field', 'abc']] as [string, string][] };
  for (const mode of [1, 3, 0, 1, 2, 0]) {
    for (const length of [1, 100, 1000, 100_000]) {
      const request = new Uint8Array(length);
      request[0] = mode;
      const invocation = server.invoke('argbufs', request, { http });
      if ((mode & 2) === 0) assert.equal((await invocation).body.length, 0);
      else assert.equal((await faultOf(invocation)).backtrace[0]?.split(' ')[0], 'handle');
      memory.assertIdle();
    }
  }
  await server.stop();
});

test('growing an ArgBuf again shows zeros where it was cut off', async () => {
  const { server } = await startObserved();
  const text = `(module ${imports('argbuf_new', 'argbuf_resize')} (memory 1)
    ${handle(
      `
      (local.set $x (call $argbuf_new (i32.const 1000)))
      (memory.fill (local.get $x) (i32.const 0x55) (i32.const 1000))
      (drop (call $argbuf_resize (local.get $x) (i32.const 10)))
      (drop (call $argbuf_resize (local.get $x) (i32.const 1024)))
      (local.get $x)`,
      '(local $x i32)',
    )})`;
  await server.deploy('resize', wat(text));
  const { body } = await server.invoke('resize', new Uint8Array(0));
  assert.equal(body.length, 1024);
  assert.ok(body.subarray(0, 10).every((byte) => byte === 0x55) && body.subarray(10).every((byte) => byte === 0));
  await server.stop();
});

test('a replaced or removed function leaves nothing in the homes of others', async () => {
  const { server, memory } = await startObserved();
  const filler = (byte: number, pages: number): Uint8Array =>
    wat(`(module (memory ${pages}) (data (i32.const 8) "image")
      (func $start (memory.fill (i32.const 100) (i32.const ${byte}) (i32.const ${pages * PAGE - 100}))) (start $start)
      ${handle(`(memory.fill (i32.const 0) (i32.const ${byte}) (i32.const ${pages * PAGE})) (local.get $request)`)})`);
  const looker = wat(`(module (memory 3)
    ${handle(
      `
      (loop $next
        (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
        (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const ${3 * PAGE}))))
      (local.get $request)`,
      '(local $at i32)',
    )})`);
  for (const pages of [1, 2, 7, 3]) {
    await server.deploy('filler', filler(pages, pages));
    await server.invoke('filler', Buffer.from('x'));
    await server.deploy('looker', looker);
    await server.invoke('looker', Buffer.from('x'));
    await server.remove('filler');
    await server.deploy('looker', looker);
    await server.invoke('looker', Buffer.from('x'));
    memory.assertIdle();
    memory.assertPristine();
  }
  await server.stop();
});
