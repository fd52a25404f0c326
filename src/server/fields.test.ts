import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeFault,
  decodeHeaders,
  decodeRequest,
  readText,
  writeFault,
  writeHeaders,
  writeRequestFields,
} from './fields.ts';
import { createAddressSpace, instantiatePrivLib } from './privlib.ts';

const space = createAddressSpace({ callDepthMax: 1 });
const privLib = instantiatePrivLib(space);
const hostBase = privLib.executorHost(privLib.executorCreate());
const bytes = new Uint8Array(space.memory.buffer);
const owner = { privLib, hostBase, bytes };

/** What HTTP allows in a value, obs-text included. */
const value = fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)) });
const headers = fc.array(fc.tuple(fc.stringMatching(/^[a-z-]{1,12}$/), value), { maxLength: 20 });

function read(address: number): string {
  if (address === 0) return '';
  const text = readText(bytes, address, privLib.vmaLength(address, hostBase));
  privLib.vmaUnmap(address, hostBase);
  return text;
}

test('property: fields come back as they were', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Z]+$/), value, value, headers, (method, path, query, fields) => {
      const request = { method, path, query, headers: fields };
      assert.deepEqual(decodeRequest(read(writeRequestFields(owner, request))), request);
      assert.deepEqual(decodeHeaders(read(writeHeaders(owner, fields))), fields);
    }),
  );
});

test('the details of a fault come back as they were, whatever the module called its functions', () => {
  const fault = { function: 'f', fault: 'trap', reason: 'größer als 日本\n', backtrace: ['a\u0000b at 0x1'] } as const;
  assert.deepEqual(decodeFault(read(writeFault(owner, fault))), fault);
});

test('no fields take no VMA', () => {
  assert.equal(writeHeaders(owner, []), 0);
});
