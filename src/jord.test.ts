import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { LogRecord } from 'jord';
import { Jord, JordError } from 'jord';

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
