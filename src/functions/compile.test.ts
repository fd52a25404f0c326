import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { JordError } from '../errors.ts';
import { type CompileOptions, compileSource, type SourceError } from './compile.ts';

const HELLO = `import { Request, Response } from "jord";
export function handle(request: Request): Response {
  return Response.text("Hello, " + request.text());
}
`;

describe('compileSource', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'jord-compile-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function source(name: string, text: string): Promise<string> {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    return path;
  }

  async function compile(name: string, text: string, options?: CompileOptions): Promise<WebAssembly.Module> {
    return new WebAssembly.Module(await compileSource(await source(name, text), options));
  }

  /** What the compilation is refused with, as `line:column message` without the file, which must be `name`. */
  async function refusals(name: string, text: string): Promise<string[]> {
    const path = await source(name, text);
    const error = await compileSource(path).then(
      () => assert.fail('it compiles'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof JordError, String(error));
    assert.equal(error.code, 'SOURCE_REFUSED');
    const errors = error.details['errors'] as SourceError[];
    const lines = errors.map(({ file, line, column, message }) => {
      assert.equal(file, path);
      return line === undefined ? message : `${line}:${column} ${message}`;
    });
    for (const { line, column, message } of errors) {
      assert.ok(error.message.includes(`${path}${line === undefined ? '' : `:${line}:${column}`}: ${message}`));
    }
    return lines;
  }

  // First, since each crash takes a start of the compiler: the tests behind it use the last one.
  test('outlives a compiler that crashes, and compiles what was waiting', async () => {
    const large = (text: string): string => HELLO.replace('request.text()', `(${text}).toString()`);
    // The compiler is recursive: this is too deep for its code generator, and that for its parser.
    const sum = await source('sum.ts', large(`1${'+1'.repeat(20_000)}`));
    const nested = await source('nested.ts', large(`${'('.repeat(20_000)}1${')'.repeat(20_000)}`));
    const good = await source('hello.ts', HELLO);
    const results = await Promise.allSettled([sum, nested, good].map((path) => compileSource(path)));
    for (const [index, path] of [sum, nested].entries()) {
      const result = results[index];
      assert.ok(result?.status === 'rejected' && result.reason instanceof JordError);
      assert.equal(result.reason.message.split('crashed: ')[0], `${path}: the AssemblyScript compiler `);
      assert.match(result.reason.message, /Maximum call stack/);
    }
    assert.equal(results[2]?.status, 'fulfilled');
  });

  test('makes a small module of the ABI, with names', async () => {
    const path = await source('hello.ts', HELLO);
    const bytes = await compileSource(path);
    assert.ok(bytes.length < 5000, `${bytes.length} bytes`);
    const module = new WebAssembly.Module(bytes);
    const exports = WebAssembly.Module.exports(module).map(({ name, kind }) => `${kind} ${name}`);
    assert.deepEqual(exports.sort(), ['function handle', 'memory memory']);
    for (const entry of WebAssembly.Module.imports(module)) assert.equal(entry.module, 'jord');
    assert.equal(WebAssembly.Module.customSections(module, 'name').length, 1);
    assert.deepEqual(await compileSource(path), bytes, 'the same source gives the same bytes');
  });

  test('takes other files, in folders below and above', async () => {
    await source('shared/names.ts', 'export function greet(name: string): string { return "Hi, " + name; }');
    const text = HELLO.replace('"Hello, " + request.text()', 'greet(request.text())');
    await compile('greeting.ts', `import { greet } from "./shared/names";\n${text}`);
    await compile('deeper/greeting.ts', `import { greet } from "../shared/names";\n${text}`);
  });

  test('takes names of files that are not plain', async () => {
    await compile(`a "quoted" näme.ts`, HELLO);
  });

  test('ignores a configuration of the compiler that is not for functions', async () => {
    await source('configured/asconfig.json', '{"options":{"exportRuntime":true}}');
    const module = await compile('configured/hello.ts', HELLO);
    assert.equal(WebAssembly.Module.exports(module).length, 2);
  });

  test('compiles with each runtime', async () => {
    for (const runtime of ['stub', 'minimal', 'incremental'] as const) {
      const module = await compile('runtime.ts', HELLO, { runtime });
      assert.ok(WebAssembly.Module.imports(module).every((entry) => entry.module === 'jord'));
    }
    const path = await source('runtime.ts', HELLO);
    await assert.rejects(compileSource(path, { runtime: 'full' as 'stub' }), { code: 'BAD_OPTION' });
  });

  test('puts what the language takes from its host on the ABI', async () => {
    const text = HELLO.replace(
      'return',
      `trace("at", 1, 2.5);
       console.log(Date.now().toString() + Math.random().toString());
       assert(request.length < 9, "short");
       return`,
    );
    const names = WebAssembly.Module.imports(await compile('host.ts', text)).map(
      ({ module, name }) => `${module}.${name}`,
    );
    assert.deepEqual(names.sort(), ['jord.argbuf_new', 'jord.log', 'jord.random', 'jord.response_field', 'jord.time']);
  });

  test('refuses what needs a host that is not there', async () => {
    const text = HELLO.replace('request.text()', 'performance.now().toString()');
    const [message, ...others] = await refusals('performance.ts', text);
    assert.match(message ?? '', /"performance\.now" of the host \("env"\)/);
    assert.deepEqual(others, []);
  });

  test('says where the errors of a source are', async () => {
    const text = `${HELLO}
function wrong(): i32 {
  return "text";
}
export function used(): i32 { return wrong() + missing; }
`.replace('request.text()', 'used().toString()');
    assert.deepEqual(await refusals('errors.ts', text), [
      "7:10 Type 'String' is not assignable to type 'i32'.",
      "9:48 Cannot find name 'missing'.",
    ]);
    assert.deepEqual(await refusals('syntax.ts', 'export function handle(\n  request: Request {'), [
      "2:12 ')' expected.",
      "2:20 '}' expected.",
    ]);
    assert.deepEqual(await refusals('import.ts', `import { x } from "./nowhere";\n${HELLO}`), [
      "1:19 File 'nowhere.ts' not found.",
    ]);
    assert.deepEqual(await refusals('package.ts', `import { x } from "nowhere";\n${HELLO}`), [
      "1:19 Package 'nowhere' not found.",
    ]);
  });

  test('names the file of an error in another file', async () => {
    const other = await source('shared/broken.ts', '\nexport function broken(): i32 { return "one"; }');
    const path = await source(
      'main.ts',
      `import { broken } from "./shared/broken";\n${HELLO.replace('request.text()', 'broken().toString()')}`,
    );
    await assert.rejects(compileSource(path), (error: JordError) => error.message.startsWith(`${other}:2:`));
    const here = relative(process.cwd(), path);
    await assert.rejects(compileSource(here), (error: JordError) =>
      error.message.startsWith(relative(process.cwd(), other)),
    );
  });

  test('names the file of an error in a library', async () => {
    for (const [text, message] of [
      [
        'new TextWriter().integer("1").response()',
        /^~lib\/jord\/text-writer\.ts:\d+:\d+: an integer type is expected\n/,
      ],
      [
        'Response.text([new Response(new ArgBuf(0))].join())',
        /^~lib\/util\/string\.ts:\d+:\d+: Property 'toString' does not exist on type 'Response'\.\n/,
      ],
    ] as const) {
      const path = await source(
        'library.ts',
        `import { ArgBuf, Request, Response, TextWriter } from "jord";
         export function handle(request: Request): Response { return ${text}; }`,
      );
      await assert.rejects(
        compileSource(path),
        ({ message: found }: JordError) => message.test(found) || assert.fail(found),
      );
    }
  });

  const wanted = 'a function is needed: export function handle(request: Request): Response. ';
  for (const [what, text, place, message] of [
    ['is missing', 'export function handel(): void {}', '', "Module 'f' has no exported member 'handle'."],
    ['is not exported', HELLO.replace('export ', ''), '', "Module 'f' has no exported member 'handle'."],
    [
      'has no parameter',
      HELLO.replace('request: Request', '').replace('request.text()', '""'),
      '2:17 ',
      "Type '() => Response' is not assignable to type '(Request) => Response'.",
    ],
    [
      'returns something else',
      HELLO.replace(': Response', ': i32').replace(/return.*;/, 'return 1;'),
      '2:17 ',
      "Type '(Request) => i32' is not assignable to type '(Request) => Response'.",
    ],
    ['is a class', 'export class handle {}', '1:14 ', 'Expression does not compile to a value at runtime.'],
  ] as const) {
    test(`says what is needed when handle ${what}`, async () => {
      assert.deepEqual(await refusals('f.ts', text), [place + wanted + message]);
    });
  }

  test('refuses a path that is no source', async () => {
    for (const name of ['missing.ts', 'function.wasm', 'folder.ts']) {
      await mkdir(join(folder, 'folder.ts'), { recursive: true });
      await assert.rejects(compileSource(join(folder, name)), { code: 'SOURCE_REFUSED' }, name);
    }
  });
});
