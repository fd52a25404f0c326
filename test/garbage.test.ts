/** Whatever bytes, names and options come: an error of the table says what is wrong, and the next request works. */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import fc from 'fast-check';
import { type ErrorCode, JordError } from '../src/errors.ts';
import type { DeployOptions } from '../src/server/types.ts';
import { formText, MEMORY_FORMS } from './memory-forms.ts';
import { faultOf, jordError, type ObservedServer, startObserved } from './observed-server.ts';
import { handle, imports, wat } from './wat.ts';

const MESSAGE_LENGTH_MAX = 1000;
/** No single module may hold up the server for long. */
const REFUSAL_MS_MAX = 5000;

let observed: ObservedServer;
let pristine: ReturnType<ObservedServer['memory']['counts']>;

before(async () => {
  observed = await startObserved();
  await observed.server.deploy('echo', wat(`(module (memory 1) ${handle('(local.get $request)')})`));
  await assertWorks();
  pristine = observed.memory.counts();
});
afterEach(async () => {
  await assertWorks();
  observed.memory.assertIdle();
  assert.deepEqual(observed.memory.counts(), pristine);
  assert.deepEqual(
    observed.server.list().map(({ name }) => name),
    ['echo'],
  );
});
after(() => observed?.server.stop());

async function assertWorks(): Promise<void> {
  const { body } = await observed.server.invoke('echo', Buffer.from('works'));
  assert.equal(Buffer.from(body).toString(), 'works');
}

/** Deploys; a module that is accepted is removed again. */
async function codeOf(module: Uint8Array, options: DeployOptions = {}): Promise<ErrorCode | 'deployed'> {
  const started = performance.now();
  try {
    await observed.server.deploy('garbage', module, options);
    await observed.server.remove('garbage');
    return 'deployed';
  } catch (error) {
    assert.ok(error instanceof JordError, error instanceof Error ? `${error.stack}` : String(error));
    assert.notEqual(error.code, 'INTERNAL', error.message);
    assert.ok(error.message.length <= MESSAGE_LENGTH_MAX, `${error.message.length} characters`);
    assert.ok(performance.now() - started < REFUSAL_MS_MAX, error.message);
    return error.code;
  }
}

const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(Math.floor(value / 128))];
}

function section(id: number, content: Uint8Array | readonly number[]): Buffer {
  return Buffer.concat([Buffer.from([id, ...leb(content.length)]), Buffer.from(content)]);
}

function moduleOf(...sections: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from(MAGIC), ...sections]);
}

/** A module that uses every instruction that the tests know, and something of each section. */
const REAL = wat(`(module $real ${imports('argbuf_new', 'call_name', 'log', 'time')}
  (memory 1 3) (data $passive "passive") (data (i32.const 8) "active") (tag $tag (param i32))
  (global $g (mut i64) (i64.const 5)) (global $c i32 (i32.const 6)) (table 3 funcref) (elem (i32.const 0) $handle $f)
  (func $f (param i32 i64 f32 f64) (result i32)
    (block $b (result i32) (try (result i32) (do (throw $tag (local.get 0))) (catch $tag (br $b)) (catch_all (i32.const 1)))))
  ${MEMORY_FORMS.map((form, i) => `(func (param i32) ${formText(form, '(local.get 0)', i)})`).join('\n')}
  ${handle(`(memory.init $passive (i32.const 0) (i32.const 1) (i32.const 2)) (data.drop $passive)
    (memory.copy (i32.const 9) (global.get $c) (i32.const 2)) (memory.fill (i32.const 1) (i32.const 2) (i32.const 3))
    (global.set $g (i64.add (global.get $g) (i64.const 1))) (drop (memory.grow (i32.const 1)))
    (return_call $argbuf_new (memory.size))`)})`);

test('what is no WebAssembly at all', async () => {
  const texts = [
    '',
    '\0',
    '\0asm',
    'asm',
    '<!doctype html>',
    '{}',
    '(module)',
    'MZ',
    '\x7fELF',
    '\x1f\x8b\b\0',
    '\0asm\x02\0\0\0',
  ];
  for (const text of texts) assert.equal(await codeOf(Buffer.from(text, 'latin1')), 'MODULE_MALFORMED', text);
  // A component has another layer in its version.
  assert.equal(await codeOf(Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0])), 'MODULE_MALFORMED');
  assert.equal(await codeOf(new Uint8Array(1 << 20).fill(0x61)), 'MODULE_MALFORMED');
  assert.equal(await codeOf(new Uint8Array(65 * 1024 * 1024)), 'MODULE_TOO_LARGE');
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      assert.equal(await codeOf(bytes), 'MODULE_MALFORMED');
      assert.equal(
        await codeOf(Buffer.concat([Buffer.from(MAGIC), bytes])),
        bytes.length === 0 ? 'MODULE_EXPORT_MISSING' : 'MODULE_MALFORMED',
      );
    }),
  );
});

test('a real module that ends too early, at every byte', async () => {
  const codes = new Map<string, number>();
  for (let length = 0; length < REAL.length; length += length < 400 || length > REAL.length - 100 ? 1 : 7) {
    const code = await codeOf(REAL.subarray(0, length));
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  assert.equal(await codeOf(REAL), 'deployed');
  // The empty module is valid. Between the last two sections the module is whole, but for its names.
  codes.delete('deployed');
  assert.deepEqual([...codes.keys()].sort(), ['MODULE_EXPORT_MISSING', 'MODULE_MALFORMED']);
});

test('property: bytes of a real module that changed, came in or went', async () => {
  const at = fc.nat(REAL.length - 1);
  const edit = fc.oneof(
    fc.record({ at, remove: fc.constant(1), insert: fc.uint8Array({ minLength: 1, maxLength: 1 }) }),
    fc.record({ at, remove: fc.nat(8), insert: fc.uint8Array({ maxLength: 8 }) }),
    fc.record({ at, bit: fc.nat(7) }),
  );
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
      let bytes = Buffer.from(REAL);
      for (const one of edits) {
        if ('bit' in one) bytes[one.at] = (bytes[one.at] ?? 0) ^ (1 << one.bit);
        else bytes = Buffer.concat([bytes.subarray(0, one.at), one.insert, bytes.subarray(one.at + one.remove)]);
      }
      seen.add(await codeOf(bytes));
    }),
    { numRuns: 600 },
  );
  assert.ok(seen.has('MODULE_MALFORMED') && seen.has('deployed'), [...seen].join());
});

test('property: sections of a real module in any order, more than once, or left out', async () => {
  const sections: Buffer[] = [];
  for (let at = 8; at < REAL.length; ) {
    let size = 0;
    let end = at + 1;
    for (let shift = 0; ; shift += 7) {
      const byte = REAL[end++] ?? 0;
      size += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    sections.push(Buffer.from(REAL.subarray(at, end + size)));
    at = end + size;
  }
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(sections), fc.subarray(sections), async (some, more) => {
      await codeOf(moduleOf(...some));
      await codeOf(moduleOf(...more));
      await codeOf(moduleOf(...more, ...some));
    }),
    { numRuns: 100 },
  );
});

test('counts and sizes that are lies', async () => {
  const huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
  for (const id of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x7f]) {
    for (const content of [
      huge,
      [...huge, 0x60],
      [0x80],
      [0xff, 0xff, 0xff, 0xff, 0x7f],
      [0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
    ]) {
      assert.equal(await codeOf(moduleOf(section(id, content))), 'MODULE_MALFORMED', `${id} ${content}`);
    }
    assert.equal(await codeOf(Buffer.from([...MAGIC, id, ...huge])), 'MODULE_MALFORMED');
  }
});

/** A module with a function `handle` and something else in text. */
const withHandle = (fields: string): Uint8Array => wat(`(module ${fields} ${handle('(local.get $request)')})`);
const many = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join('\n');

test('more of something than the limits allow', async () => {
  const cases: readonly (readonly [what: string, module: () => Uint8Array, code: ErrorCode])[] = [
    ['1 GB of memory', () => withHandle('(memory 16384)'), 'MODULE_TOO_LARGE'],
    ['4 GiB of memory', () => withHandle('(memory 65536)'), 'MODULE_TOO_LARGE'],
    ['64-bit memory', () => withHandle('(memory i64 1)'), 'MODULE_UNSUPPORTED'],
    [
      '10,000 imports',
      () => withHandle(many(10_000, () => '(import "jord" "time" (func (result f64)))')),
      'MODULE_TOO_LARGE',
    ],
    [
      'an import with a name of 100,000 letters',
      () => withHandle(`(import "jord" "${'x'.repeat(100_000)}" (func))`),
      'MODULE_IMPORT_UNKNOWN',
    ],
    ['100,000 types', () => withHandle(many(100_000, () => '(type (func))')), 'MODULE_TOO_LARGE'],
    ['100,000 locals', () => withHandle(`(func (local ${'i32 '.repeat(100_000)}))`), 'MODULE_MALFORMED'],
    [
      '49,999 locals, to which the guard adds',
      () =>
        withHandle(
          `(memory 1) (func (param i32) (local ${'i64 '.repeat(49_998)})
            (i32.store (local.get 0) (i32.const 1)) (i32.store offset=4 (local.get 0) (i32.const 1)))`,
        ),
      'MODULE_TOO_LARGE',
    ],
    ['a table of 10,000,000 entries', () => withHandle('(table 10000000 funcref)'), 'MODULE_TOO_LARGE'],
    ['200 tables of 1,000 entries', () => withHandle(many(200, () => '(table 1000 funcref)')), 'MODULE_TOO_LARGE'],
    ['100,000 data segments', () => withHandle(`(memory 1) ${many(100_000, () => '(data "")')}`), 'MODULE_TOO_LARGE'],
    [
      '100,000 mutable globals',
      () => withHandle(many(100_000, () => '(global (mut i32) (i32.const 0))')),
      'MODULE_TOO_LARGE',
    ],
    ['10,001 tags', () => withHandle(many(10_001, () => '(tag)')), 'MODULE_TOO_LARGE'],
    [
      'a table that grows',
      () => withHandle('(table 1 funcref) (func (drop (table.grow 0 (ref.null func) (i32.const 1))))'),
      'MODULE_UNSUPPORTED',
    ],
    [
      'a mutable global that holds a reference',
      () => withHandle('(global (mut externref) (ref.null extern))'),
      'MODULE_UNSUPPORTED',
    ],
    ['two memories', () => Buffer.from([...MAGIC, ...section(5, [2, 0, 1, 0, 1])]), 'MODULE_UNSUPPORTED'],
    ['no handle', () => wat('(module (memory 1))'), 'MODULE_EXPORT_MISSING'],
    [
      'handle of another type',
      () => wat('(module (func (export "handle") (param i32) (result i32) (local.get 0)))'),
      'MODULE_EXPORT_MISSING',
    ],
    ['handle that is a memory', () => wat('(module (memory (export "handle") 1))'), 'MODULE_EXPORT_MISSING'],
    [
      '_initialize of another type',
      () => withHandle('(func (export "_initialize") (param i32))'),
      'MODULE_EXPORT_MISSING',
    ],
  ];
  for (const [what, module, code] of cases) assert.equal(await codeOf(module()), code, what);
});

test('much of something that the limits allow', async () => {
  const nested = (count: number): Uint8Array => {
    const body = [
      ...leb(0),
      ...Array<number>(count * 2)
        .fill(0x40)
        .map((byte, i) => (i % 2 === 0 ? 0x02 : byte)),
    ];
    const code = Buffer.from([...body, ...Array<number>(count).fill(0x0b), 0x20, 0, 0x0b]);
    return moduleOf(
      section(1, [1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f]),
      section(3, [1, 0]),
      section(7, [1, 6, ...Buffer.from('handle'), 0, 0]),
      section(10, Buffer.concat([Buffer.from([1, ...leb(code.length)]), code])),
    );
  };
  assert.equal(await codeOf(nested(10_000)), 'deployed');
  assert.equal(await codeOf(nested(1_000_000)), 'deployed');
  assert.equal(await codeOf(withHandle(many(20_000, () => '(func)'))), 'deployed');
  assert.equal(await codeOf(withHandle(many(1_000, () => '(import "jord" "time" (func (result f64)))'))), 'deployed');
  assert.equal(await codeOf(withHandle(`(func (br_table ${'0 '.repeat(60_000)} (i32.const 0)))`)), 'deployed');
  assert.equal(await codeOf(withHandle(many(30_000, () => '(data "")')), {}), 'deployed');
  assert.equal(await codeOf(withHandle(many(5_000, (i) => `(func (export "${i}") (param i64 f32))`))), 'deployed');
});

test('custom sections may say anything', async () => {
  const custom = (name: string, content: Uint8Array | readonly number[]): Buffer =>
    section(
      0,
      Buffer.concat([Buffer.from([...leb(Buffer.byteLength(name))]), Buffer.from(name), Buffer.from(content)]),
    );
  const plain =
    wat(`(module (memory 1) (func $inner (if (i32.load (i32.const 0)) (then)) (drop (i32.load (i32.const 0x70000000))))
    ${handle('(if (local.get $length) (then (call $inner))) (i32.const 0)')})`);
  const huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
  const name = (index: number, text: string): Buffer => {
    const entry = Buffer.concat([Buffer.from([1, ...leb(index), ...leb(Buffer.byteLength(text))]), Buffer.from(text)]);
    return custom('name', Buffer.concat([Buffer.from([1, ...leb(entry.length)]), entry]));
  };
  const lies: readonly Buffer[] = [
    custom('', []),
    custom('jord', huge),
    custom('jord:init', [0, 0, 0]),
    custom('name', huge),
    custom('name', [1, ...huge]),
    custom('name', [1, 5, ...huge]),
    custom('name', [0, 2, 1, 0xff]),
    custom('name', [7, 0, 2, 0, 1, 1, 0]),
    name(0, 'jord:memory.fill'),
    name(4_000_000_000, 'nobody'),
    name(0, 'x'.repeat(1_000_000)),
    name(0, ' (wasm://wasm/'.repeat(100_000).concat('\n')),
    name(0, '\n    at server.ts (file:///root.ts:1:1)\n    at forged (wasm://wasm/a:wasm-function[7]:0x1)'),
    name(0, '\x1b[31mred\x07'),
    custom('metadata.code.branch_hint', huge),
    custom('metadata.code.branch_hint', [1, 0, 1, ...huge, 1, 1]),
    custom('metadata.code.branch_hint', [1, 0, 3, 1, 1, 0, 2, 1, 1, 3, 1, 1]),
    custom('metadata.code.branch_hint', [1, 0, 1, 5, 1, 9]),
    custom('metadata.code.branch_hint', [2, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1]),
    custom('metadata.code.branch_hint', [1, 200, 1, 1, 1, 1, 1]),
  ];
  const head = plain.subarray(0, 8);
  for (const lie of lies) {
    for (const module of [Buffer.concat([plain, lie]), Buffer.concat([head, lie, plain.subarray(8)])]) {
      await observed.server.deploy('garbage', module);
      const started = performance.now();
      const fault = await faultOf(observed.server.invoke('garbage', Buffer.from('x')));
      assert.ok(performance.now() - started < 1000, 'a name costs no time');
      assert.equal(fault.address, '0x70000000');
      for (const frame of fault.backtrace) {
        assert.ok(frame.length < 300, 'a name is cut');
        assert.doesNotMatch(frame, /\p{Cc}/u);
        assert.doesNotMatch(frame, /file:/);
      }
      await observed.server.remove('garbage');
    }
  }
});

test('numbers in longer encodings than they need, as linkers write them', async () => {
  const padded = (value: number): number[] => [(value & 0x7f) | 0x80, ((value >>> 7) & 0x7f) | 0x80, 0x80, 0x80, 0x00];
  // i32.store8 offset=1 and i32.load8_u offset=0, the first with the memory's index written out.
  const body = [
    ...padded(0),
    ...[0x20, ...padded(0), 0x20, ...padded(0), 0x2d, ...padded(0), ...padded(0)],
    ...[0x3a, 0x40, 0x00, ...padded(1)],
    ...[0x20, ...padded(0), 0x10, ...padded(1), 0x0b],
  ];
  const identity = [0, 0x20, 0, 0x0b];
  const module = moduleOf(
    section(1, [...padded(2), 0x60, 2, 0x7f, 0x7f, 1, 0x7f, 0x60, 1, 0x7f, 1, 0x7f]),
    section(3, [...padded(2), ...padded(0), ...padded(1)]),
    section(5, [...padded(1), 0, ...padded(1)]),
    section(7, [...padded(1), ...padded(6), ...Buffer.from('handle'), 0, ...padded(0)]),
    section(10, [...padded(2), ...padded(body.length), ...body, ...padded(identity.length), ...identity]),
  );
  await observed.server.deploy('garbage', module);
  const { body: response } = await observed.server.invoke('garbage', Buffer.from('abc'));
  assert.equal(Buffer.from(response).toString(), 'aac');
  await observed.server.remove('garbage');
});

test('names that no function can have', async () => {
  const { server } = observed;
  const module = wat(`(module ${handle('(i32.const 0)')})`);
  const names = [
    '',
    '.',
    '..',
    '../x',
    'a/b',
    'a\\b',
    '/etc/passwd',
    'A',
    'a b',
    'a\0b',
    'a\nb',
    'ä',
    '-a',
    'a.',
    'a..b',
    '%2e%2e',
  ];
  for (const name of [...names, '__proto__', 'x'.repeat(65), 'x'.repeat(1_000_000), '🙂']) {
    const error = await jordError(server.deploy(name, module));
    assert.equal(error.code, 'FUNCTION_NAME_INVALID', name.slice(0, 80));
    assert.ok(error.message.length < MESSAGE_LENGTH_MAX);
    for (const operation of [server.invoke(name, new Uint8Array(0)), server.remove(name)]) {
      assert.equal((await jordError(operation)).code, 'FUNCTION_UNKNOWN');
    }
    assert.throws(() => server.inspect(name), { code: 'FUNCTION_UNKNOWN' });
    assert.ok(!server.has(name));
  }
  for (const name of ['constructor', 'tostring', 'then', '0']) {
    assert.ok(!server.has(name));
    assert.equal((await jordError(server.invoke(name, new Uint8Array(0)))).code, 'FUNCTION_UNKNOWN');
  }
});

test('options that no function can have', async () => {
  const module = withHandle('(memory 1)');
  for (const memoryLimitBytes of [
    1,
    65535,
    65537,
    -65536,
    2 ** 29 + 65536,
    2 ** 32,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ]) {
    assert.equal(await codeOf(module, { memoryLimitBytes }), 'BAD_OPTION', String(memoryLimitBytes));
  }
  assert.equal(await codeOf(module, { memoryLimitBytes: 0 }), 'MODULE_TOO_LARGE');
});

test('good and bad deployments at once do not disturb each other', async () => {
  const { server } = observed;
  const good = (i: number): Uint8Array =>
    wat(`(module (memory 1) ${handle(`(i32.store8 (local.get $request) (i32.const ${i})) (local.get $request)`)})`);
  const changes = Array.from({ length: 30 }, (_, i) =>
    i % 3 === 0 ? server.deploy('many', REAL.subarray(0, 50 + i)) : server.deploy('many', good(i)),
  );
  const results = await Promise.allSettled(changes);
  assert.deepEqual(
    results.map(({ status }) => status),
    results.map((_, i) => (i % 3 === 0 ? 'rejected' : 'fulfilled')),
  );
  const { body } = await server.invoke('many', Buffer.from('x'));
  assert.equal(body[0], 29, 'the last one counts');
  await server.remove('many');
});

test('bytes that change while they are deployed', async () => {
  const { server } = observed;
  const module = Uint8Array.from(withHandle('(memory 1)'));
  const deployment = server.deploy('changing', module);
  module.fill(0xff);
  await deployment;
  const { body } = await server.invoke('changing', Buffer.from('x'));
  assert.equal(Buffer.from(body).toString(), 'x');
  await server.remove('changing');
});
