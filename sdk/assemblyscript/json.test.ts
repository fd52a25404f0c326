/** The JSON reader and writer of the SDK against the engine's own. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { startTestServer, type TestServer } from './sdk.fixture.ts';

let functions: TestServer;
before(async () => {
  functions = await startTestServer(['json', 'json-writer']);
});
after(() => functions.server.stop());

/** What a read answers: the text, or the message of what is wrong. */
async function read(how: string, json: string | Uint8Array): Promise<{ value?: string; message?: string }> {
  const { text, status } = await functions.call('json', `/${how}`, json);
  return status === 400 ? { message: text } : { value: text };
}

/** A value that went through the typed reads and the writer. */
async function copy(json: string | Uint8Array): Promise<unknown> {
  const { value, message } = await read('copy', json);
  assert.equal(message, undefined, String(json).slice(0, 200));
  return JSON.parse(value ?? '');
}

async function assertRefused(json: string | Uint8Array, message: string): Promise<void> {
  // What is skipped is checked as strictly as what is read.
  assert.deepEqual(await read('copy', json), { message });
  assert.deepEqual(await read('skip', json), { message });
}

describe('JsonReader', () => {
  test('reads what JSON.stringify writes, compact and indented', async () => {
    const values = fc.jsonValue({ maxDepth: 8, stringUnit: 'binary' });
    await fc.assert(
      fc.asyncProperty(values, fc.constantFrom<number | string>(0, 1, '\t \r\n'), async (value, space) => {
        const json = JSON.stringify(value, null, space);
        // There is no negative zero for JSON.stringify, and there is one in JSON.
        assert.equal(JSON.stringify(await copy(json)), JSON.stringify(value));
      }),
      { numRuns: 300 },
    );
  });

  test('accepts and refuses what JSON.parse accepts and refuses', async () => {
    const json = fc.json({ maxDepth: 4 });
    const character = fc.constantFrom(...'{}[],:"\\0123456789-+.eEtrufalsn \n\u0000\u001f');
    await fc.assert(
      fc.asyncProperty(json, fc.nat(), fc.nat(2), character, async (text, position, removed, added) => {
        const at = position % (text.length + 1);
        const changed = text.slice(0, at) + added + text.slice(at + removed);
        let expected: unknown;
        try {
          expected = JSON.parse(changed);
        } catch {
          const { message } = await read('copy', changed);
          assert.match(message ?? '', / at byte \d+$/, changed);
          assert.match((await read('skip', changed)).message ?? '', / at byte \d+$/, changed);
          return;
        }
        // These two are stricter here.
        if (changed.includes('\\u') || /\de\+?\d{3}/i.test(changed)) return;
        assert.equal(JSON.stringify(await copy(changed)), JSON.stringify(expected));
      }),
      { numRuns: 1000 },
    );
  });

  test('refuses with a reason and a place', async () => {
    for (const [json, message] of [
      ['', 'the text is empty at byte 0'],
      [' \n', 'the text ends too early at byte 2'],
      ['[1,]', 'a value is expected at byte 3'],
      ['[1 2]', 'a comma or the end is expected at byte 3'],
      ['[1}', 'a comma or the end is expected at byte 2'],
      ['{"a":1,}', 'a key is expected at byte 7'],
      ['{a:1}', 'a key is expected at byte 1'],
      ['{"a" 1}', 'a colon is expected at byte 5'],
      ['{"a":}', 'a value is expected at byte 5'],
      ['1 2', 'nothing more is expected at byte 2'],
      ['01', 'nothing more is expected at byte 1'],
      ['-x', 'a digit is expected at byte 1'],
      ['1.e2', 'a digit is expected at byte 2'],
      ['1e+', 'the text ends too early at byte 3'],
      ['+1', 'a value is expected at byte 0'],
      ['NaN', 'a value is expected at byte 0'],
      ['nul', 'a value is expected at byte 0'],
      ['nulL', 'a value is expected at byte 0'],
      ['tru', 'a value is expected at byte 0'],
      ['"a', 'the text ends too early at byte 2'],
      ['"a\tb"', 'a control character in a string at byte 2'],
      ['"long enough\n"', 'a control character in a string at byte 12'],
      ['"\\x41"', 'not an escape at byte 1'],
      ['"\\u12g4"', 'not an escape at byte 1'],
      ['"\\ud800"', 'not an escape at byte 1'],
      ['"\\ud800\\u0041"', 'not an escape at byte 1'],
      ['"\\udc00"', 'not an escape at byte 1'],
      ['"\\', 'not an escape at byte 1'],
      ['// comment\n1', 'a value is expected at byte 0'],
      ['\ufeff1', 'a value is expected at byte 0'],
    ] as const) {
      await assertRefused(json, message);
    }
  });

  test('refuses strings that are not UTF-8', async () => {
    for (const bytes of [[0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0xff]]) {
      const json = Uint8Array.of(0x22, 0x61, ...bytes, 0x22);
      await assertRefused(json, 'not UTF-8 at byte 2');
    }
  });

  test('reads 64 levels and refuses 65', async () => {
    const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    assert.equal(JSON.stringify(await copy(nested(64))), nested(64));
    await assertRefused(nested(65), 'nested too deeply at byte 64');
    const objects = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
    assert.equal(JSON.stringify(await copy(objects(64))), objects(64));
    await assertRefused(objects(65), 'nested too deeply at byte 320');
  });

  test('reads integers exactly within their type', async () => {
    for (const bits of [8n, 16n, 32n, 64n]) {
      for (const [type, least, most] of [
        [`i${bits}`, -(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n],
        [`u${bits}`, 0n, 2n ** bits - 1n],
      ] as const) {
        for (const value of [least, least + 1n, 0n, 1n, most / 10n, most - 1n, most]) {
          assert.deepEqual(await read(type, `${value}`), { value: `${value}` });
        }
        for (const value of [least - 1n, least * 10n - 1n, most + 1n, most + 10n, most * 10n, 2n ** 64n, 10n ** 40n]) {
          assert.deepEqual(await read(type, ` ${value}`), { message: 'the number is out of range at byte 1' }, type);
        }
      }
    }
    assert.deepEqual(await read('u8', '-0'), { value: '0' });
    for (const json of ['1.0', '1e2', '0.5']) {
      assert.deepEqual(await read('i32', json), { message: 'a whole number is expected at byte 0' });
    }
    assert.deepEqual(await read('i32', '"1"'), { message: 'a number is expected at byte 0' });
  });

  test('reads the nearest f64 to any decimal', async () => {
    const digits = fc.stringMatching(/^[1-9]\d{0,40}$/);
    const numbers = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.tuple(digits, digits, fc.integer({ min: -340, max: 260 })).map(([a, b, e]) => `${a}.${b}e${e}`),
      fc.tuple(fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), fc.integer({ min: -1, max: 1 })).map(tie),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(numbers, { minLength: 200, maxLength: 200 }), async (texts) => {
        const kept = texts.filter((text) => Number.isFinite(Number(text)));
        const values = (await copy(`[${kept.join(',')}]`)) as number[];
        for (const [index, text] of kept.entries()) assert.equal(values[index], Number(text), text);
      }),
      { numRuns: 20 },
    );
    await assertNumber(`0.${'0'.repeat(400)}1e401`, 1);
    await assertNumber(`1${'0'.repeat(400)}e-400`, 1);
    await assertNumber(`${'9'.repeat(2000)}e-2000`, 1);
    await assertNumber('0e999999999999', 0);
    await assertNumber('1e-999999999999', 0);
    for (const json of ['1e309', '-1e309', '1e999999999999', '179769313486231580793728971405303415e274']) {
      assert.deepEqual(await read('copy', json), { message: 'the number is out of range at byte 0' });
    }
  });

  test('gives one message for a wrong type', async () => {
    for (const [how, json, what] of [
      ['string', '1', 'a string is expected'],
      ['utf8', 'null', 'a string is expected'],
      ['boolean', '"true"', 'true or false is expected'],
      ['order', '[]', 'an object is expected'],
      ['kinds', '{}', 'an array is expected'],
      ['i32', 'true', 'a number is expected'],
    ] as const) {
      assert.deepEqual(await read(how, json), { message: `${what} at byte 0` });
    }
    assert.deepEqual(await read('null', 'null'), { value: 'true' });
    assert.deepEqual(await read('null', '1'), { value: 'false' });
  });

  test('reads keys in any order and skips what is not asked for', async () => {
    const rest = '"b":{"c":[1,{"d":null}]},"e":"\\u0041"';
    for (const json of [`{"counts":[1,2],${rest},"name":"n"}`, `{"name":"n",${rest},"counts":[1,2]}`]) {
      assert.deepEqual(await read('order', json), { value: 'n:3' });
    }
    assert.deepEqual(await read('order', '{}'), { value: '?:0' });
    assert.deepEqual(await read('order', '{"name":7,"counts":"x"}'), { message: 'a string is expected at byte 8' });
    assert.deepEqual(await read('keys', '{"x":1,"\\u0078":2,"xx":{},"":[],"ü\\n😀":3}'), { value: '*x;*x;xx;;ü\n😀;' });
    assert.deepEqual(await read('kinds', '[{},[],"",-1,0,true,false,null]'), { value: '12344556' });
  });

  test('takes an application’s own refusal, at the value', async () => {
    assert.deepEqual(await read('order', '{"counts":[1, 0,2]}'), { message: 'a count is 1 or more at byte 14' });
    // The first error stays.
    assert.deepEqual(await read('order', '{"counts":[0,2'), { message: 'a count is 1 or more at byte 11' });
  });

  test('notices steps that do not fit the text', async () => {
    for (const [how, json, message] of [
      ['two-values', '"a"', 'the text ends too early at byte 3'],
      ['two-values', '"a" ', 'no value is due here at byte 3'],
      ['key-in-array', '[1]', 'an inner object or array was not read to its end at byte 1'],
      ['unfinished', '[1]', 'an object or array was not read to its end at byte 2'],
      ['inner-unfinished', '[{}]', 'an inner object or array was not read to its end at byte 2'],
      ['item-at-top', '1 ', 'an inner object or array was not read to its end at byte 1'],
    ] as const) {
      const { text, status } = await functions.call('json', `/misuse?${how}`, json);
      assert.deepEqual([status, text], [400, message], how);
    }
  });

  test('reads a large text', async () => {
    const items = Array.from({ length: 4000 }, (_, index) => ({
      id: index,
      text: `Größe "${index}"`,
      half: index / 2,
    }));
    assert.deepEqual(await copy(JSON.stringify(items)), items);
  });

  async function assertNumber(json: string, value: number): Promise<void> {
    assert.equal(await copy(json), value, json.slice(0, 40));
  }
});

/** The decimal just between a double and the next one, or a little less or more than it: the hardest there are to round. */
function tie([value, more]: [number, number]): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = bits >> 52n;
  const fraction = bits & (2n ** 52n - 1n);
  const mantissa = biased === 0n ? fraction : fraction + 2n ** 52n;
  // (2 mantissa + 1) × 2^exponent
  const exponent = (biased === 0n ? 1n : biased) - 1076n;
  const middle = 2n * mantissa + 1n;
  if (exponent >= 0n) return `${((middle << exponent) * 10n + BigInt(more)).toString()}e-1`;
  return `${middle * 5n ** -exponent * 10n + BigInt(more)}e${exponent - 1n}`;
}

describe('JsonWriter', () => {
  const write = async (path: string, body: string | Uint8Array = ''): Promise<string> =>
    (await functions.call('json-writer', path, body)).text;

  test('writes every kind of value', async () => {
    const { text, headers } = await functions.call('json-writer', '/all', 'body');
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(
      text,
      '{"integers":[-128,255,-2147483648,4294967295,-9223372036854775808,9223372036854775807,18446744073709551615,0],' +
        '"numbers":[0,0,1,-1.5,1e+21,5e-324,1.7976931348623157e+308,null,null,null],"booleans":[true,false],' +
        '"empty":{"object":{},"array":[]},"raw":{"raw": true},"none":"","body":"body"}',
    );
    JSON.parse(text);
  });

  test('escapes what must be escaped, in strings, UTF-8 and keys', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), special) }),
        async (text) => {
          assert.equal(JSON.parse(await write('/string', text)), text);
          assert.equal(JSON.parse(await write('/utf8', text)), text);
          assert.deepEqual(JSON.parse(await write('/key', text)), { [text]: null });
        },
      ),
      { numRuns: 300 },
    );
    assert.equal(
      await write('/string', '"\\/\b\f\n\r\t\u0001\u001f\u007f'),
      '"\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\u007f"',
    );
    // All escapes: the most that a text can grow.
    const zeros = '\u0000'.repeat(5000);
    assert.equal(await write('/string', zeros), `"${'\\u0000'.repeat(5000)}"`);
    assert.equal(await write('/utf8', zeros), `"${'\\u0000'.repeat(5000)}"`);
  });

  test('replaces what is not UTF-8', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), async (bytes) => {
        assert.equal(
          JSON.parse(await write('/utf8', bytes)),
          new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes),
        );
      }),
      { numRuns: 300 },
    );
    const invalid = new Uint8Array(1000).fill(0xff);
    assert.equal(await write('/utf8', invalid), `"${'\ufffd'.repeat(1000)}"`);
  });

  test('stops the function at steps that make no JSON', async () => {
    assert.equal(await write('/deep?64'), '['.repeat(64) + ']'.repeat(64));
    for (const [path, message] of [
      ['/deep?65', 'JSON is nested too deeply'],
      ['/unfinished', 'the JSON is not complete'],
      ['/empty', 'the JSON is not complete'],
      ['/two-values', 'no value is due here'],
      ['/no-key', 'no value is due here'],
      ['/key-in-array', 'no key is due here'],
      ['/two-keys', 'no key is due here'],
      ['/wrong-end', 'nothing to end here'],
      ['/key-then-end', 'nothing to end here'],
    ] as const) {
      functions.logs.length = 0;
      await assert.rejects(write(path), { code: 'FUNCTION_FAULT' }, path);
      assert.match(
        functions.logs[0]?.message ?? '',
        new RegExp(`^${message} at ~lib/jord/json-writer\\.ts:\\d+:\\d+$`),
      );
    }
  });

  const special = fc.constantFrom('"', '\\', '\n', '\u0000', '\u001f', 'é', '–', '😀');
});
