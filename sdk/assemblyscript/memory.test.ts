/** ArgBufs and views of the SDK. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { JordError } from '../../src/errors.ts';
import { startTestServer, type TestServer } from './sdk.fixture.ts';

let functions: TestServer;
before(async () => {
  functions = await startTestServer(['memory']);
});
after(() => functions.server.stop());

const eight = Uint8Array.of(0xff, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77);

async function numbers(path: string, body: string | Uint8Array = ''): Promise<number[]> {
  return (await functions.call('memory', path, body)).text.split(' ').map(Number);
}

/** What a path faults with; the log line when the SDK ended the function. */
async function fault(path: string, body: string | Uint8Array = eight): Promise<string> {
  functions.logs.length = 0;
  const error = await functions.call('memory', path, body).then(
    ({ text }) => assert.fail(`${path} answers ${text}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof JordError && error.code === 'FUNCTION_FAULT', String(error));
  const { fault, access } = error.details;
  return functions.logs[0]?.message.replace(/ at ~lib\/.*/, '') ?? `${String(fault)} ${String(access)}`;
}

test('loads and stores in place', async () => {
  const { text } = await functions.call('memory', '/load', eight);
  const view = new DataView(eight.buffer);
  const loaded = [view.getUint16(1, true), view.getUint32(0, true), view.getBigUint64(0, true)].join(' ');
  assert.equal(text, `255 -1 ${loaded} 119 102 3 1`);
  const { body } = await functions.call('memory', '/store');
  assert.deepEqual([...body], [1, 2, 0, 0x22, 0x11, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f]);
  assert.deepEqual([...(await functions.call('memory', '/zero')).body], new Array(300).fill(0));
});

test('answers with the ArgBuf of the request', async () => {
  assert.equal((await functions.call('memory', '/reuse', 'desrever')).text, 'reversed');
});

test('copies when it is asked to', async () => {
  assert.deepEqual((await functions.call('memory', '/copy', eight)).body, eight);
  assert.deepEqual((await functions.call('memory', '/bytes', eight)).body, eight);
});

test('resizes within the class of the first length', async () => {
  assert.deepEqual(await numbers('/resize'), [0, 128, 5, 128, 0, 7, 0, 0, 0, 0, 5, 1, 1, 0, 0, 0]);
});

test('tells addresses from statuses', async () => {
  assert.deepEqual(await numbers('/limits'), [1, 1, 2 ** 28, 1]);
  assert.deepEqual(await numbers('/at', eight), [8, 1, 1, 1, 1]);
});

test('changes permissions', async () => {
  assert.deepEqual(await numbers('/protect', eight), [0, 255, 7, 0, 0]);
});

test('an empty request is an empty ArgBuf', async () => {
  assert.equal((await functions.call('memory', '/empty')).text, '1100110000');
});

test('checks what is given, and leaves the rest to the server', async () => {
  const checked = {
    '/index': 'index out of range',
    '/negative': 'index out of range',
    '/store-index': 'index out of range',
    '/offset': 'offset out of range',
    '/negative-offset': 'offset out of range',
    '/store-offset': 'offset out of range',
    '/set': 'offset out of range',
    '/slice-end': 'slice out of range',
    '/slice-order': 'slice out of range',
    '/too-large': 'no memory for an ArgBuf: status 5',
    '/resize-freed': 'this ArgBuf was freed or given away',
    '/return-freed': 'this ArgBuf was freed or given away',
  };
  for (const [path, message] of Object.entries(checked)) assert.equal(await fault(path), message);
  const refused = {
    '/past-the-bound': 'memory-access read',
    '/unchecked': 'memory-access read',
    '/read-only': 'memory-access write',
    '/after-free': 'memory-access read',
    '/after-free-object': 'memory-access read',
    '/out-of-memory': 'trap undefined',
  };
  for (const [path, message] of Object.entries(refused)) assert.equal(await fault(path), message, path);
});
