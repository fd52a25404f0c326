/** A module imports the host functions that it uses and no others: what a function imports decides how it is run. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type AbiFunction, SUSPENDING_FUNCTIONS } from '../../src/functions/abi.ts';
import { compileSource } from '../../src/functions/compile.ts';

const folder = await mkdtemp(join(tmpdir(), 'jord-imports-'));
after(() => rm(folder, { recursive: true, force: true }));

const ASYNCHRONOUS: readonly AbiFunction[] = ['start', 'cancel', ...SUSPENDING_FUNCTIONS];

/** Of these, what the file imports. */
async function imports(file: string): Promise<string[]> {
  const module = new WebAssembly.Module(await compileSource(file));
  const names = WebAssembly.Module.imports(module).map(({ name }) => name);
  return ASYNCHRONOUS.filter((name) => names.includes(name)).sort();
}

test('functions that only call others import nothing that waits', async () => {
  for (const name of ['calls', 'http']) {
    assert.deepEqual(await imports(join(import.meta.dirname, 'testing', `${name}.ts`)), [], name);
  }
});

test('functions import what they use', async () => {
  const file = join(folder, 'function.ts');
  for (const [used, expression, expected] of [
    ['call', "call('a').ok", []],
    ['resolve', "resolve('a').call().ok", []],
    ['start', "start('a').ok", ['start']],
    ['resolve', "resolve('a').start().ok", ['start']],
    ['start', "start('a').cancel()", ['cancel', 'start']],
    ['start', "start('a').wait().ok", ['start', 'wait']],
    ['start, waitAny', "waitAny([start('a')])", ['start', 'wait_any']],
    ['start, waitAll', "waitAll([start('a')]).length", ['start', 'wait', 'wait_all']],
    ['sleep, time', '(sleep(1), time())', ['sleep']],
    ['fetch', "fetch('http://a').status", ['fetch']],
    ['Space', "Space.open('a').add('b')", []],
    ['Space', "Space.open('a').sync()", ['kv_sync']],
  ] as const) {
    await writeFile(
      file,
      `import { Request, Response, ${used} } from 'jord';
      export function handle(request: Request): Response {
        return Response.text((${expression}).toString());
      }`,
    );
    assert.deepEqual(await imports(file), expected, expression);
  }
});

test('a target that is none is refused when the source is compiled', async () => {
  const file = join(folder, 'wrong.ts');
  for (const [expression, message] of [
    ['call(1).ok', /the name of a function or a FunctionReference is expected/],
    ['start(request).ok', /the name of a function or a FunctionReference is expected/],
    ['fetch(1).ok', /a URL or a FetchRequest is expected/],
    ['fetch(request).ok', /a URL or a FetchRequest is expected/],
  ] as const) {
    await writeFile(
      file,
      `import { call, fetch, Request, Response, start } from 'jord';
      export function handle(request: Request): Response {
        return Response.text((${expression}).toString());
      }`,
    );
    await assert.rejects(compileSource(file), { code: 'SOURCE_REFUSED', message }, expression);
  }
});
