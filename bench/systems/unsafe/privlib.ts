/**
 * PrivLib without protection: what is in core/, compiled with its checks of who asks and who owns what taken out, and with
 * all that serves to keep invocations apart. What is left is what a server needs without that: memory for invocations and
 * for ArgBufs, who has called whom, queues. New ArgBufs are cleared, since functions rely on that.
 *
 * Each change names what it replaces, and fails when that is not there any more.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { cached } from '../applications.ts';

const CORE = new URL('../../../core/', import.meta.url);

interface Change {
  readonly file: string;
  /** The body of this function is replaced; or, without a function, this text. */
  readonly function?: string;
  readonly text?: string;
  readonly by: string;
}

/** End of the homes, in MiB: what is behind belongs to the data of functions. */
export const UNSAFE_HOMES_END_MIB = 1792;

const CHANGES: readonly Change[] = [
  { file: 'layout', text: 'HOME_AREA_END_MIB = 2048', by: `HOME_AREA_END_MIB = ${UNSAFE_HOMES_END_MIB}` },
  // Who asks, whose it is, whether it is over.
  { file: 'vma-table', function: 'mayAsk', by: 'return true;' },
  { file: 'vma-table', function: 'checkDeadline', by: '' },
  { file: 'vma-table', function: 'ownVte', by: 'return vteOf(address);' },
  { file: 'vma-table', function: 'vteAtStart', by: 'return vteOf(address);' },
  { file: 'vma-table', function: 'vmaLength', by: 'return load<u32>(vteOf(address), VTE_END) - address;' },
  { file: 'vma-table', function: 'vmaAllows', by: 'return true;' },
  { file: 'vma-table', function: 'isShared', by: 'return false;' },
  { file: 'vma-table', function: 'forgetLast', by: '' },
  // Here it is no check, but tells whether the store has taken the table.
  {
    file: 'kv-store',
    text: '!failed(ownVte(asker, table))',
    by: 'load<u32>(vteOf(table), VTE_OWNER) == asker',
  },
  // Pointers are addresses; those of a guarded module, which initialises the template that nobody runs, are below its limit.
  {
    file: 'arg-buf',
    function: 'translate',
    by: `const descriptor = load<u32>(asker, HOME_FUNCTION);
  const limit: u32 = descriptor == 0 ? 0 : load<u32>(descriptor, FUNCTION_MEMORY_LIMIT);
  return pointer < limit ? asker + load<u32>(descriptor, FUNCTION_HEADER_SIZE) + pointer : pointer;`,
  },
  // Permissions, and what an invocation may own.
  {
    file: 'vma-table',
    text: `  // A VMA of length 0 has end == start: no access passes, though the words are not 0.
  store<u32>(vte, end, VTE_READ_END);
  store<u32>(vte, end, VTE_WRITE_END);
`,
    by: '',
  },
  {
    file: 'vma-table',
    text: `  const bytesMax = load<u32>(load<u32>(asker, HOME_FUNCTION), FUNCTION_VMA_BYTES_MAX);
  if (bytesMax != 0 && load<u32>(asker, HOME_VMA_BYTES) + (1 << shift) > bytesMax) return ARGBUFS_EXHAUSTED;
`,
    by: '',
  },
  {
    file: 'vma-table',
    text: '  store<u32>(owner, load<u32>(owner, HOME_VMA_BYTES) + sizeOf(vte), HOME_VMA_BYTES);\n',
    by: '',
  },
  {
    file: 'vma-table',
    text: '  store<u32>(owner, load<u32>(owner, HOME_VMA_BYTES) - sizeOf(vte), HOME_VMA_BYTES);\n',
    by: '',
  },
  // A home is memory for an invocation, which takes it as it is.
  {
    file: 'protection-domain',
    function: 'makePd',
    by: `const executor = load<u32>(asker, HOME_EXECUTOR);
  const pool = poolOf(executor, descriptor);
  let base = popPool(pool);
  if (base == 0) {
    base = growPool(executor, descriptor);
    if (failed(base)) return base;
  }
  store<u32>(base, (1 << 16) | load<u32>(base, HOME_SLOT), HOME_PD);
  store<u32>(base, asker, HOME_CALLER);
  store<u32>(base, load<u32>(asker, HOME_DEPTH) + 1, HOME_DEPTH);
  store<u32>(base, load<u32>(asker, HOME_END_MS), HOME_END_MS);
  store<u32>(base, load<u32>(asker, HOME_INVOCATION), HOME_INVOCATION);
  store<u64>(base, 0, HOME_CHILDREN);
  store<u32>(base, 0, HOME_LOG_BYTES);
  store<u32>(base, PD_CREATED, HOME_STATE);
  return base;`,
  },
  {
    file: 'protection-domain',
    function: 'closePd',
    by: `const executor = load<u32>(base, HOME_EXECUTOR);
  const isFull = dropOwned(base);
  if (isRunning) store<u32>(executor, load<u32>(base, HOME_CALLER), EXECUTOR_CURRENT);
  store<u32>(base, PD_FREE, HOME_STATE);
  pushPool(poolOf(executor, load<u32>(base, HOME_FUNCTION)), base);
  if (isFull) spill(executor);`,
  },
  {
    file: 'protection-domain',
    function: 'letGo',
    by: `if (load<u32>(base, HOME_CHILDREN) != 0) dropChildren(base);
  if (load<u32>(base, HOME_GRANTS) != 0) dropGrants(base);
  return false;`,
  },
  {
    file: 'call',
    text: '  if (load<u32>(base, HOME_STATE) != PD_RUNNING || load<u32>(base, HOME_CALLER) != asker) return WRONG_STATE;\n',
    by: '',
  },
];

function changed(source: string, change: Change): string {
  const { file, text, by } = change;
  const name = change.function;
  if (name === undefined) {
    if (text === undefined || !source.includes(text)) throw new Error(`core/${file}.ts does not have: ${text}`);
    return source.replace(text, by);
  }
  const head = new RegExp(`^export function ${name}\\([^)]*\\): [\\w<>]+ \\{\\n`, 'm').exec(source);
  if (head === null) throw new Error(`core/${file}.ts has no function ${name}`);
  const start = head.index + head[0].length;
  const end = source.indexOf('\n}\n', start);
  if (end === -1) throw new Error(`core/${file}.ts: ${name} has no end`);
  return `${source.slice(0, start)}  ${by}${source.slice(end)}`;
}

/** Sources of core/ by their file names. */
async function sources(): Promise<ReadonlyMap<string, string>> {
  const names = (await readdir(CORE)).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts')).sort();
  const texts = new Map<string, string>();
  for (const name of names) texts.set(name, await readFile(new URL(name, CORE), 'utf8'));
  for (const change of CHANGES) {
    const name = `${change.file}.ts`;
    texts.set(name, changed(texts.get(name) ?? '', change));
  }
  return texts;
}

/** The module, compiled as PrivLib is. Throws an Error when core/ has changed in a way that the changes do not fit any more. */
export async function unsafePrivLib(): Promise<Uint8Array> {
  const texts = await sources();
  const hash = createHash('sha256');
  for (const [name, text] of texts) hash.update(`${name}\0${text}\0`);
  return cached(`unsafe-privlib-${hash.digest('hex').slice(0, 16)}.wasm`, () => compile(texts));
}

async function compile(texts: ReadonlyMap<string, string>): Promise<Uint8Array> {
  let module: Uint8Array | undefined;
  let messages = '';
  const options = [
    ...['privlib.ts', '--outFile=privlib.wasm', '--runtime=stub', '-O3', '--noAssert', '--disableWarning'],
    ...['--importMemory', '--sharedMemory', '--initialMemory=65536', '--maximumMemory=65536'],
    ...['--enable=simd', '--enable=threads', '--enable=bulk-memory'],
  ];
  const { error } = await asc.main(options, {
    readFile: (name) => texts.get(name) ?? null,
    writeFile: (_, contents) => {
      if (typeof contents !== 'string') module = new Uint8Array(contents);
    },
    listFiles: () => [],
    stderr: {
      write: (text: unknown) => {
        messages += String(text);
        return true;
      },
    },
  });
  if (error !== null || module === undefined) {
    throw new Error(`${fileURLToPath(CORE)} without protection does not compile:\n${messages}`);
  }
  return module;
}
