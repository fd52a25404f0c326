import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import wabt from 'wabt';
import { JordError } from '../errors.ts';
import type { WorkerServerOptions } from './settings.ts';
import type { FaultDetails, LogRecord } from './types.ts';
import { startWorkerServer } from './worker-server.ts';

const assembler = await wabt();

function assemble(wat: string): Uint8Array {
  const module = assembler.parseWat('test.wat', wat, { exceptions: true });
  return new Uint8Array(module.toBinary({ write_debug_names: true }).buffer);
}

/** A module whose `handle` has this body; `more` are further fields. */
function handle(body: string, more = ''): Uint8Array {
  return assemble(`(module $test
    (import "jord" "log" (func $log (param i32 i32 i32) (result i32)))
    ${more}
    (memory 1) (data (i32.const 0) "message")
    (func $handle (export "handle") (param $request i32) (param $length i32) (result i32) ${body}))`);
}

const LOG = '(drop (call $log (i32.const 1) (i32.const 0) (i32.const 7)))';

async function faultOf(promise: Promise<unknown>): Promise<FaultDetails> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof JordError && error.code === 'FUNCTION_FAULT', String(error));
    return error.details as unknown as FaultDetails;
  }
  return assert.fail('it did not fail');
}

test('a stack overflow of the embedding program, wherever it comes, leaves a server that works', async () => {
  const server = await startWorkerServer({ executors: 0 });
  await server.deploy('echo', handle('(local.get $request)'));
  const body = new Uint8Array(100);
  const pending: Promise<unknown>[] = [];
  const dive = (): void => {
    pending.push(server.invoke('echo', body));
    dive();
  };
  assert.throws(dive, RangeError);
  const outcomes = await Promise.allSettled(pending);
  assert.ok(outcomes.some(({ status }) => status === 'fulfilled'));
  for (let i = 0; i < 3; i++) assert.equal((await server.invoke('echo', body)).body.length, 100);
  await server.stop();
});

test('what the log throws reaches no function', async () => {
  const server = await startWorkerServer({
    executors: 0,
    log: () => {
      throw new Error('disk full');
    },
  });
  await server.deploy('logs', handle(`(try (do ${LOG}) (catch_all unreachable)) (local.get $request)`));
  assert.equal((await server.invoke('logs', new Uint8Array(3))).body.length, 3);
  await server.stop();
});

test('invoking from the log is refused and disturbs nothing', async () => {
  let inner: Promise<unknown> = Promise.resolve();
  const server = await startWorkerServer({
    executors: 0,
    log: ({ level }) => {
      if (level === 'info') inner = server.invoke('logs', new Uint8Array(3));
    },
  });
  await server.deploy('logs', handle(`${LOG} (local.get $request)`));
  assert.equal((await server.invoke('logs', new Uint8Array(5))).body.length, 5);
  await assert.rejects(inner, { code: 'BAD_REQUEST' });
  await server.stop();
});

test('what initialisers log has the name of the function', async () => {
  const records: LogRecord[] = [];
  const server = await startWorkerServer({ executors: 0, log: (record) => records.push(record) });
  const source = `(func $start ${LOG}) (start $start) (func (export "_initialize") ${LOG})`;
  await server.deploy('early', handle('(i32.const 0)', source));
  assert.deepEqual(records, Array(2).fill({ level: 'info', function: 'early', message: 'message' }));
  await server.stop();
});

test('backtraces begin with the function that made the access', async () => {
  const server = await startWorkerServer({ executors: 0 });
  const peek = '(func $peek (drop (i32.load (i32.const 0x70000000))))';
  await server.deploy('peeks', handle('(call $peek) (i32.const 0)', peek));
  const { backtrace } = await faultOf(server.invoke('peeks', new Uint8Array(0)));
  assert.match(backtrace[0] ?? '', /^test\.peek at 0x/);
  assert.match(backtrace[1] ?? '', /^test\.handle at 0x/);
  await server.deploy('copies', handle('(memory.fill (i32.const -1) (i32.const 0) (i32.const 2)) (i32.const 0)'));
  assert.match((await faultOf(server.invoke('copies', new Uint8Array(0)))).backtrace[0] ?? '', /^test\.handle at 0x/);
  await server.stop();
});

test('a function that gives up is reported with its last words, and one that ran out of memory with that', async () => {
  const server = await startWorkerServer({ executors: 0 });
  const error = '(drop (call $log (i32.const 3) (i32.const 0) (i32.const 7)))';
  await server.deploy('gives-up', handle(`(if (local.get $length) (then ${error} unreachable)) unreachable`));
  assert.equal((await faultOf(server.invoke('gives-up', new Uint8Array(1)))).reason, 'unreachable: message');
  assert.equal(
    (await faultOf(server.invoke('gives-up', new Uint8Array(0)))).reason,
    'unreachable',
    'not those of another',
  );
  const grow = '(if (i32.lt_s (memory.grow (i32.const 3)) (i32.const 0)) (then unreachable)) (i32.const 0)';
  await server.deploy('grows', handle(grow), { memoryLimitBytes: 131072 });
  assert.match(
    (await faultOf(server.invoke('grows', new Uint8Array(0)))).reason,
    /its memory had reached the limit of 131072/,
  );
  await server.deploy(
    'unnamed',
    assemble('(module (func (export "handle") (param i32 i32) (result i32) unreachable))'),
  );
  assert.match((await faultOf(server.invoke('unnamed', new Uint8Array(0)))).backtrace[0] ?? '', /^handle at/);
  await server.stop();
});

test('an address that wraps is reported with its 33 bits', async () => {
  const server = await startWorkerServer({ executors: 0 });
  for (const [pointer, offset, address] of [
    [-4, 4, '0x100000000'],
    [-4, 8, '0x100000004'],
    [-8, 4, '0xfffffffc'],
    [0x10ffff, 4000, '0x00110f9f'],
  ] as const) {
    const access = `(i32.store offset=${offset} (i32.const ${pointer}) (i32.const 1))`;
    await server.deploy('wraps', handle(`${access} (i32.const 0)`));
    if (address === '0x00110f9f') {
      assert.equal((await server.invoke('wraps', new Uint8Array(0))).body.length, 0, 'the red zone takes it');
      continue;
    }
    assert.equal((await faultOf(server.invoke('wraps', new Uint8Array(0)))).address, address);
  }
  await server.stop();
});

test('every stop ends when the store is closed, and what cannot be deployed from it can be removed', async () => {
  const dataFolder = await mkdtemp(path.join(tmpdir(), 'jord-server-'));
  const first = await startWorkerServer({ executors: 0, dataFolder });
  await first.deploy('good', handle('(i32.const 0)'));
  await Promise.all([first.stop(), first.stop()]);

  // A limit that this module cannot have, as an older server with other rules might have left it.
  const record = path.join(dataFolder, 'functions', 'good.json');
  await writeFile(record, (await readFile(record, 'utf8')).replace(/"memoryLimitBytes": \d+/, '"memoryLimitBytes": 1'));
  const records: LogRecord[] = [];
  const second = await startWorkerServer({ executors: 0, dataFolder, log: (entry) => records.push(entry) });
  assert.match(records[0]?.message ?? '', /cannot be deployed from the store: The memory limit/);
  assert.deepEqual(second.list(), []);
  await second.remove('good');
  await assert.rejects(second.remove('good'), { code: 'FUNCTION_UNKNOWN' });
  await second.stop();
  await rm(dataFolder, { recursive: true });
});

test('with masked addresses functions do and report the same, and keep the limit that they have', async () => {
  // Reads the request and its own memory, up to its limit of three pages, and writes both.
  const body = `
    (local $sum i32)
    (drop (memory.grow (i32.const 8)))
    (i32.store (i32.const 196604) (i32.const 3))
    (local.set $sum (i32.add (i32.load (local.get $request)) (i32.load (i32.const 196604))))
    (i32.store (local.get $request) (local.get $sum))
    (if (i32.eq (local.get $length) (i32.const 8)) (then (drop (i32.load (i32.add (local.get $request) (i32.const 6))))))
    (local.get $request)`;
  const outcomes = [];
  for (const maskAddresses of [false, true]) {
    const server = await startWorkerServer({ executors: 0, maskAddresses });
    const { memoryLimitBytes } = await server.deploy('subject', handle(body), { memoryLimitBytes: 3 * 65536 });
    const { body: response } = await server.invoke('subject', Uint8Array.of(4, 0, 0, 0));
    const { fault, access, sizeBytes } = await faultOf(server.invoke('subject', new Uint8Array(8)));
    outcomes.push({ memoryLimitBytes, sum: response[0], fault, access, sizeBytes });
    await server.stop();
  }
  const [without, masked] = outcomes;
  assert.deepEqual(masked, without);
  assert.equal(masked?.sum, 7);
  assert.equal(masked.memoryLimitBytes, 3 * 65536);
  await assert.rejects(startWorkerServer({ maskAddresses: 'yes' as unknown as boolean }), { code: 'BAD_OPTION' });
  const misspelled = { maskAdresses: true } as WorkerServerOptions;
  await assert.rejects(startWorkerServer(misspelled), { code: 'BAD_OPTION', message: /no option maskAdresses/ });
});
