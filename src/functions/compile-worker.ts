/** The thread on which compile.ts runs the AssemblyScript compiler. */
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parentPort } from 'node:worker_threads';
import asc from 'assemblyscript/asc';
import type { CompileAnswer, CompileRequest, SourceError } from './compile.ts';

const SDK_FOLDER = fileURLToPath(new URL('../../sdk/assemblyscript/assembly', import.meta.url));
/** The generated entry of every module. It is no file. */
const ENTRY = 'jord-entry.ts';
/** What stands for the functions that AssemblyScript takes from its host. */
const ALIASES = ['abort', 'trace', 'seed', 'console'];
const SIGNATURE = 'export function handle(request: Request): Response';

// `Date.now()` is the ABI's `time` under another name.
const DATE_NOW = '@external("env", "Date.now")';
const bindings = asc.libraryFiles['bindings/dom'];
if (bindings?.includes(DATE_NOW) !== true) throw new Error('This AssemblyScript compiler is not the expected one.');
asc.libraryFiles['bindings/dom'] = bindings.replace(DATE_NOW, '@external("jord", "time")');

function entryText(file: string): string {
  const name = basename(file, '.ts');
  return `import { Handler, received } from "jord/entry";
import { handle as user } from ${JSON.stringify(`./${name}`)};
const handler: Handler = user;
export function handle(request: usize, length: i32): usize {
  return user(received(request, length)).send();
}
`;
}

/** The sources of one compilation, by the compiler's names for them. */
class Sources {
  readonly #folder: string;
  readonly #entry: string;
  readonly #texts = new Map<string, string>();

  constructor(folder: string, file: string) {
    this.#folder = folder;
    this.#entry = entryText(file);
  }

  /** What the compiler asks for: the entry, a file of the SDK (as a package `jord`) or one of the user's. */
  async read(name: string): Promise<string | null> {
    const path = name.replaceAll('\\', '/');
    // A configuration of the compiler that happens to be there is not for this.
    if (path === 'asconfig.json') return null;
    if (path === ENTRY) return this.#entry;
    const sdk = /(?:^|\/)node_modules\/jord\/(.+)$/.exec(path)?.[1];
    const full = sdk === undefined ? resolve(this.#folder, path) : resolve(SDK_FOLDER, sdk);
    const text = await readFile(full, 'utf8').catch(() => null);
    if (text !== null) this.#texts.set(sdk === undefined ? path : `~lib/jord/${sdk}`, text);
    return text;
  }

  /** Line and column, from 1, of an offset into a source, or of where a pattern is found. */
  place(name: string, where: number | RegExp): { line: number; column: number } | undefined {
    const text = this.#texts.get(name) ?? asc.libraryFiles[name.replace(/^~lib\/|\.ts$/g, '')] ?? '';
    const offset = typeof where === 'number' ? where : text.search(where);
    if (text === '' || offset === -1) return undefined;
    const before = text.slice(0, offset).split('\n');
    return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
  }
}

interface Diagnostic {
  readonly message: string;
  readonly category: number;
  readonly range: { readonly start: number; readonly source: { readonly normalizedPath: string } | null } | null;
}

/** The category of what stops a compilation, as the compiler numbers it. */
const CATEGORY_ERROR = 3;

function toSourceErrors(diagnostics: readonly Diagnostic[], sources: Sources, file: string): SourceError[] {
  const errors: SourceError[] = [];
  let isHandleRefused = false;
  for (const { message, range } of diagnostics) {
    const name = range?.source?.normalizedPath ?? ENTRY;
    if (name !== ENTRY) {
      errors.push({ file: name, ...sources.place(name, range?.start ?? 0), message: readable(message) });
      continue;
    }
    // What is wrong with `handle` shows several times in the entry; the first says it.
    if (isHandleRefused) continue;
    isHandleRefused = true;
    const place = sources.place(file, /(?<=^export\b.*)\bhandle\b/m);
    errors.push({ file, ...place, message: `a function is needed: ${SIGNATURE}. ${readable(message)}` });
  }
  return errors;
}

/** Without the compiler's inner names: `~lib/jord/request/Request` is `Request`, `~lib/number/I32` is `i32`. */
function readable(message: string): string {
  return message
    .replace(/^User-defined: '(.*)'$/, '$1')
    .replace(/^File '~lib\/(.+)\.ts' not found\.$/, "Package '$1' not found.")
    .replace(/~lib\/number\/(\w+)/g, (_, type: string) => type.toLowerCase())
    .replace(/~lib\/(?:[\w-]+\/)*(?=[A-Za-z])/g, '');
}

/** Functions of a host that the module needs and the ABI does not have. */
function foreignImports(module: Uint8Array<ArrayBuffer>, file: string): SourceError[] {
  return WebAssembly.Module.imports(new WebAssembly.Module(module))
    .filter((entry) => entry.module !== 'jord')
    .map(({ module, name }) => ({
      file,
      message: `the source needs "${name}" of the host ("${module}"), which functions do not have; see the SDK for what there is`,
    }));
}

async function compile({ id, folder, file, runtime }: CompileRequest): Promise<CompileAnswer> {
  const name = basename(file);
  const sources = new Sources(folder, name);
  if ((await sources.read(name)) === null) return { id, errors: [{ file: name, message: 'the file cannot be read' }] };
  const found: Diagnostic[] = [];
  let module: Uint8Array<ArrayBuffer> | undefined;
  const options = [
    ...[ENTRY, '--baseDir', folder, '--outFile', 'function.wasm', '--runtime', runtime],
    ...['-O3', '--debug', '--enable', 'simd', '--disableWarning'],
    ...ALIASES.flatMap((alias) => ['--use', `${alias}=~lib/jord/runtime/${alias}`]),
  ];
  const { error } = await asc.main(options, {
    readFile: (path) => sources.read(path),
    writeFile: (_, contents) => {
      module = new Uint8Array(contents as Uint8Array);
    },
    listFiles: () => [],
    reportDiagnostic: (diagnostic) => found.push(diagnostic as unknown as Diagnostic),
  });
  const errors = toSourceErrors(
    found.filter(({ category }) => category === CATEGORY_ERROR),
    sources,
    name,
  );
  if (errors.length > 0) return { id, errors };
  if (module === undefined) return { id, errors: [{ file: name, message: error?.message ?? 'no module was made' }] };
  const foreign = foreignImports(module, name);
  return foreign.length > 0 ? { id, errors: foreign } : { id, module };
}

// When the compiler crashes, it says so on the console and ends its process, which here is this thread.
console.error = (text: unknown): void => {
  const lines = String(text)
    .split('\n')
    .map((line) => line.replace(/^.*▌\s*/u, '').trim());
  const reason = lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.join(' ').trim();
  parentPort?.postMessage({ crash: reason } satisfies CompileAnswer);
};

// One at a time: the compiler keeps state of its own between its steps.
let last: Promise<void> = Promise.resolve();
parentPort?.on('message', (request: CompileRequest) => {
  last = last.then(async () => {
    parentPort?.postMessage(await compile(request));
  });
});
