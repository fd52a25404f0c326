import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { EXECUTOR_MESSAGES } from '../../../core/layout.ts';
import { IO_FAILED } from '../../../core/status.ts';
import {
  addressSpace,
  begin,
  bodyOf,
  isAllowed,
  newExecutor,
  nextAnswer,
  PATIENCE_MS,
  request,
  serve,
} from './outbound.fixture.ts';
import { Outbound } from './outbound.ts';
import type { ExecutorFixtureData, ExecutorFixtureReport } from './outbound-executor.fixture.ts';
import { OutboundThread } from './outbound-thread.ts';

const losses: unknown[] = [];
const thread = new OutboundThread((reason) => losses.push(reason));
thread.start(addressSpace.memory);
after(() => thread.stop());

/** Runs requests on a thread that never turns its event loop. */
function runOnThread(io: OutboundThread, requests: readonly string[], timeoutMs: number): Worker {
  const control = newExecutor();
  const port = io.connect(control);
  const workerData: ExecutorFixtureData = { addressSpace, control, port, requests, timeoutMs };
  return new Worker(new URL('./outbound-executor.fixture.ts', import.meta.url), { workerData, transferList: [port] });
}

async function reportOf(worker: Worker): Promise<ExecutorFixtureReport> {
  const [report] = (await once(worker, 'message')) as [ExecutorFixtureReport];
  await worker.terminate();
  return report;
}

test('an executor that never turns its event loop is woken by each answer', async (t) => {
  const origin = await serve(t, async (incoming, response) => {
    if (incoming.url === '/never') return;
    await delay(Number(incoming.url?.slice(1)));
    response.end(incoming.url);
  });
  const delaysMs = [0, 300, 600];
  const requests = [...delaysMs, 'never'].map((path) => `GET ${origin}/${path}\n\n`);
  const { results, parks } = await reportOf(runOnThread(thread, requests, 1500));
  assert.deepEqual(
    results.map((result) => (typeof result === 'number' ? result : bodyOf(result))),
    ['/0', '/300', '/600', IO_FAILED],
  );
  assert.ok(parks >= 1);
});

test('no wake-up is missed', async (t) => {
  const origin = await serve(t, (incoming, response) => void incoming.pipe(response));
  const requests = Array.from({ length: 500 }, (_, i) => `POST ${origin}/\n\n${i}`);
  const { results } = await reportOf(runOnThread(thread, requests, PATIENCE_MS));
  for (const [i, result] of results.entries()) assert.equal(bodyOf(result), String(i));
});

test('when an executor ends, its requests do', async (t) => {
  const arrived = Promise.withResolvers<Socket>();
  const origin = await serve(t, (incoming) => arrived.resolve(incoming.socket));
  const executor = runOnThread(thread, [`GET ${origin}/\n\n`], PATIENCE_MS);
  const closed = once(await arrived.promise, 'close');
  const start = performance.now();
  await executor.terminate();
  await closed;
  assert.ok(performance.now() - start < PATIENCE_MS / 2);
});

test('when the I/O thread dies, what is under way fails, and a new one takes over', async (t) => {
  const arrived = Promise.withResolvers<void>();
  let arrivals = 0;
  const origin = await serve(t, (incoming, response) => {
    if (incoming.url === '/quick') response.end('quick');
    else if (++arrivals === 4) arrived.resolve();
  });
  const control = newExecutor();
  const port = thread.connect(control);
  const outbound = new Outbound(port, isAllowed);
  const parked = reportOf(runOnThread(thread, [`GET ${origin}/never\n\n`], PATIENCE_MS));
  const tokens = [1, 2, 3].map(() => begin(outbound, `GET ${origin}/never\n\n`));
  const [cancelled, cancelledLater, failing] = tokens;
  assert.ok(cancelled !== undefined && cancelledLater !== undefined && failing !== undefined);
  await arrived.promise;
  outbound.cancel(cancelled);
  losses.length = 0;
  // A command that cannot be: the thread throws.
  port.postMessage(null);
  assert.deepEqual((await parked).results, [IO_FAILED]);
  assert.equal(losses.length, 1);
  assert.ok(losses[0] instanceof TypeError);
  assert.ok(outbound.isLost);
  assert.deepEqual(outbound.begin(Buffer.from(`GET ${origin}/quick\n\n`), [origin], 1000), { status: IO_FAILED });

  outbound.reconnect(thread.connect(control));
  outbound.cancel(cancelledLater);
  assert.ok(!outbound.isLost);
  assert.deepEqual(outbound.poll(), { token: failing, result: IO_FAILED });
  assert.equal(outbound.poll(), undefined);
  assert.equal(bodyOf(await request(outbound, `GET ${origin}/quick\n\n`)), 'quick');
});

test('an answer that came before the thread died is an answer', async (t) => {
  const origin = await serve(t, (_, response) => void response.end('in time'));
  const io = new OutboundThread(() => assert.fail('stopping is no loss'));
  io.start(addressSpace.memory);
  const control = newExecutor();
  const outbound = new Outbound(io.connect(control), isAllowed);
  begin(outbound, `GET ${origin}/\n\n`);
  const words = new Int32Array(addressSpace.memory.buffer);
  const start = performance.now();
  while (Atomics.load(words, (control + EXECUTOR_MESSAGES) / 4) === 0) {
    assert.ok(performance.now() - start < PATIENCE_MS, 'no answer came');
    await delay(5);
  }
  await io.stop();
  const { result } = await nextAnswer(outbound);
  assert.equal(bodyOf(result), 'in time');
  assert.equal(outbound.poll(), undefined);
});

test('stopping ends what is under way, also for an executor that is parked; then nobody connects', async (t) => {
  const arrived = Promise.withResolvers<void>();
  const origin = await serve(t, () => arrived.resolve());
  const io = new OutboundThread(() => assert.fail('stopping is no loss'));
  assert.throws(() => io.connect(newExecutor()), { code: 'INTERNAL' });
  await io.stop();
  io.start(addressSpace.memory);
  const parked = reportOf(runOnThread(io, [`GET ${origin}/\n\n`], PATIENCE_MS));
  await arrived.promise;
  await io.stop();
  assert.deepEqual((await parked).results, [IO_FAILED]);
  assert.throws(() => io.connect(newExecutor()), { code: 'INTERNAL' });
});

test('the environment sends no request through a proxy, and the thread keeps no process alive', async (t) => {
  const origin = await serve(t, (incoming, response) => {
    if (incoming.url === '/quick') response.end('direct');
  });
  const proxyOrigin = await serve(t, (_, response) => void response.end('proxy'));
  const folder = new URL('.', import.meta.url).href;
  const program = `
    import { setTimeout as delay } from 'node:timers/promises';
    import { Outbound } from '${folder}outbound.ts';
    import { OutboundThread } from '${folder}outbound-thread.ts';
    const thread = new OutboundThread(() => {});
    thread.start(new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true }));
    const outbound = new Outbound(thread.connect(65536), () => true);
    for (const path of ['never', 'quick']) {
      outbound.begin(Buffer.from('GET ${origin}/' + path + '\\n\\n'), [], 10 * ${PATIENCE_MS});
    }
    let answer;
    while ((answer = outbound.poll()) === undefined) await delay(5);
    console.log(Buffer.from(answer.result).toString().split('\\n\\n')[1]);`;
  const args = ['--use-env-proxy', '--input-type=module-typescript', '--eval', program];
  const env = {
    ...process.env,
    NODE_USE_ENV_PROXY: '1',
    HTTP_PROXY: proxyOrigin,
    http_proxy: proxyOrigin,
    NO_PROXY: '',
    no_proxy: '',
  };
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: PATIENCE_MS, env });
  assert.equal(stdout, 'direct\n');
});
