import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { LogRecord } from 'jord';
import { Cancellation, Jord, JordError } from 'jord';
import { assemble } from './guard/testing-wat.ts';

const SOURCE = `
import { Request, Response, log } from "jord";
export function handle(request: Request): Response {
  if (request.isEmpty) throw new Error("empty");
  log.info("called");
  return Response.text("<" + request.text() + ">");
}
`;

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'jord-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('deploys source, invokes, reports a fault, keeps functions over a restart', () =>
  withFolder(async (folder) => {
    const source = path.join(folder, 'bracket.ts');
    await writeFile(source, SOURCE);
    const records: LogRecord[] = [];
    const dataFolder = path.join(folder, 'data');
    const jord = await Jord.start({ dataFolder, log: (record) => records.push(record) });
    const info = await jord.deploySource('bracket', source);
    assert.equal(info.name, 'bracket');
    assert.deepEqual(jord.list(), [jord.inspect('bracket')]);
    assert.equal(Buffer.from(await jord.invoke('bracket', Buffer.from('grüße'))).toString(), '<grüße>');
    // Its executor is another thread, and what it logs comes by itself.
    for (const started = performance.now(); records.length === 0; await delay(1)) {
      assert.ok(performance.now() - started < 10_000, 'nothing is logged');
    }
    assert.deepEqual(records.at(-1), { level: 'info', function: 'bracket', message: 'called' });
    await assert.rejects(jord.invoke('bracket'), (error) => {
      assert.ok(error instanceof JordError && error.code === 'FUNCTION_FAULT');
      assert.equal(error.details['fault'], 'trap');
      return true;
    });
    await assert.rejects(jord.invoke('other'), { code: 'FUNCTION_UNKNOWN' });
    await assert.rejects(jord.invoke('bracket', 'text' as unknown as Uint8Array), { code: 'BAD_REQUEST' });
    await assert.rejects(Jord.start({ dataFolder }), { code: 'STORE_IN_USE' });
    await jord.stop();
    await assert.rejects(jord.invoke('bracket'), { code: 'SERVER_STOPPED' });
    await assert.rejects(jord.deploySource('bracket', source), { code: 'SERVER_STOPPED' });

    const again = await Jord.start({ dataFolder });
    assert.equal(again.inspect('bracket').version, info.version);
    assert.equal(Buffer.from(await again.invoke('bracket', Buffer.from('x'))).toString(), '<x>');
    await again.remove('bracket');
    await assert.rejects(again.remove('bracket'), { code: 'FUNCTION_UNKNOWN' });
    await again.stop();
    const last = await Jord.start({ dataFolder });
    assert.deepEqual(last.list(), []);
    await last.stop();
  }));

test('a function that does not end is ended at its deadline, and the next call works', () =>
  withFolder(async (folder) => {
    const source = path.join(folder, 'spin.ts');
    const text = `import { Request, Response } from "jord";
export function handle(request: Request): Response {
  const forEver = request.text() == "for ever";
  while (forEver) {}
  return Response.text("done");
}`;
    await writeFile(source, text);
    const jord = await Jord.start();
    assert.equal((await jord.deploySource('spin', source, { deadlineMs: 30 })).deadlineMs, 30);
    await assert.rejects(jord.invoke('spin', Buffer.from('for ever')), { code: 'DEADLINE_EXCEEDED' });
    await jord.deploySource('spin', source);
    await assert.rejects(jord.invoke('spin', Buffer.from('for ever'), { deadlineMs: 30 }), (error) => {
      assert.ok(error instanceof JordError && error.code === 'DEADLINE_EXCEEDED');
      assert.equal(error.details['fault'], 'deadline');
      assert.ok((error.details['backtrace'] as string[]).length > 0);
      return true;
    });
    for (const deadlineMs of [0, 1e9, '30' as unknown as number])
      await assert.rejects(jord.invoke('spin', undefined, { deadlineMs }), { code: 'BAD_OPTION' });
    assert.equal(Buffer.from(await jord.invoke('spin', Buffer.from('once'), { deadlineMs: 1000 })).toString(), 'done');
    await jord.stop();
  }));

test('two worker servers in one process do not see each other', async () => {
  const [first, second] = [await Jord.start(), await Jord.start()];
  await withFolder(async (folder) => {
    const source = path.join(folder, 'bracket.ts');
    await writeFile(source, SOURCE);
    await first.deploySource('bracket', source);
  });
  await assert.rejects(second.invoke('bracket'), { code: 'FUNCTION_UNKNOWN' });
  await first.stop();
  await second.stop();
});

test('wrong options and modules are refused by code', async () => {
  for (const callDepthMax of [0, 1.5, 70_000, Number.NaN]) {
    await assert.rejects(Jord.start({ callDepthMax }), { code: 'BAD_OPTION' });
  }
  const jord = await Jord.start();
  await assert.rejects(jord.deploy('../x', new Uint8Array(8)), { code: 'FUNCTION_NAME_INVALID' });
  await assert.rejects(jord.deploy('x', new Uint8Array(8)), { code: 'MODULE_MALFORMED' });
  await assert.rejects(jord.deploySource('x', '/does/not/exist.ts'), { code: 'SOURCE_REFUSED' });
  await jord.stop();
});

test('the first example of docs/embedding.md runs as it stands there', async () => {
  const page = await readFile(new URL('../docs/embedding.md', import.meta.url), 'utf8');
  const example = /```ts\n(.*?)```/s.exec(page)?.[1] ?? '';
  assert.match(example, /from 'jord'/);
  const root = path.join(import.meta.dirname, '..');
  const run = promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', example], {
    cwd: root,
  });
  assert.equal((await run).stdout, 'Hello, world!\n');
});

const ECHO = assemble('(module (memory 1) (func (export "handle") (param i32 i32) (result i32) (local.get 0)))');
const ENDLESS = assemble(
  '(module (memory 1) (func (export "handle") (param i32 i32) (result i32) (loop (br 0)) (i32.const 0)))',
);

async function start(executors: number): Promise<Jord> {
  const jord = await Jord.start({ executors });
  await jord.deploy('echo', ECHO);
  await jord.deploy('endless', ENDLESS, { deadlineMs: 30 });
  return jord;
}

test('submit calls back once, and not before it returns; what is known at once is thrown', async () => {
  const jord = await start(1);
  const { promise, resolve } = Promise.withResolvers<void>();
  const answers: string[] = [];
  let hasReturned = false;
  const take = (error: JordError | undefined, response: Uint8Array | undefined): void => {
    assert.ok(hasReturned && (error === undefined) !== (response === undefined));
    answers.push(error?.code ?? String(response));
    if (answers.length === 3) resolve();
  };
  const cancellation = new Cancellation();
  jord.submit('echo', Uint8Array.of(1, 2), take);
  jord.submit('endless', new Uint8Array(0), take);
  jord.submit('endless', new Uint8Array(0), take, { cancellation });
  hasReturned = true;
  cancellation.cancel();
  await promise;
  assert.deepEqual(answers.sort(), ['1,2', 'DEADLINE_EXCEEDED', 'INVOCATION_CANCELLED']);
  const never = (): void => assert.fail('nothing was begun');
  assert.throws(() => jord.submit('other', new Uint8Array(0), never), { code: 'FUNCTION_UNKNOWN' });
  assert.throws(() => jord.submit('echo', new Uint8Array(0), never, { deadlineMs: 0 }), { code: 'BAD_OPTION' });
  await jord.stop();
  assert.throws(() => jord.submit('echo', new Uint8Array(0), never), { code: 'SERVER_STOPPED' });
});

test('without executors submit runs the function before it returns, and calls back afterwards', async () => {
  const jord = await start(0);
  const answers: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const take = (error: JordError | undefined, response: Uint8Array | undefined): void => {
    if (answers.push(error?.code ?? String(response)) === 2) resolve();
  };
  jord.submit('echo', Uint8Array.of(1, 2), take);
  jord.submit('endless', new Uint8Array(0), take);
  assert.deepEqual(answers, []);
  await promise;
  assert.deepEqual(answers, ['1,2', 'DEADLINE_EXCEEDED']);
  assert.throws(() => jord.submit('other', new Uint8Array(0), take), { code: 'FUNCTION_UNKNOWN' });
  await jord.stop();
});

for (const executors of [0, 1]) {
  test(`invokeAll keeps the order, and errors in their places, with ${executors} executors`, async () => {
    const jord = await start(executors);
    const requests = Array.from({ length: 3000 }, (_, i) => new Uint8Array(Uint16Array.of(i).buffer));
    assert.deepEqual(await jord.invokeAll('echo', requests), requests);
    const failed = await jord.invokeAll('endless', requests.slice(0, 3), { deadlineMs: 5 });
    for (const error of failed) assert.ok(error instanceof JordError && error.code === 'DEADLINE_EXCEEDED');
    assert.deepEqual(await jord.invokeAll('echo', []), []);
    await assert.rejects(jord.invokeAll('other', requests), { code: 'FUNCTION_UNKNOWN' });
    await jord.stop();
  });

  test(`invokeInline runs on the calling thread, with ${executors} executors`, async () => {
    const jord = await start(executors);
    assert.deepEqual(jord.invokeInline('echo', Uint8Array.of(7)), Uint8Array.of(7));
    assert.throws(() => jord.invokeInline('endless'), { code: 'DEADLINE_EXCEEDED' });
    const { functions } = await jord.stats();
    assert.deepEqual(
      functions.map(({ name, invocations, faults }) => [name, invocations, faults]),
      [
        ['echo', 1, {}],
        ['endless', 1, { deadline: 1 }],
      ],
    );
    await jord.stop();
  });
}
