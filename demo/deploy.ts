/** Compiles and deploys the demo's functions. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { compileSource } from '../src/functions/compile.ts';
import { parseKvRight } from '../src/functions/kv-rights.ts';
import { moduleVersion } from '../src/functions/store.ts';
import { storeError, writeDurably } from '../src/functions/store-files.ts';
import type { WorkerServer } from '../src/server/types.ts';

/** Each is a source beside this file. */
export const DEMO_FUNCTIONS: readonly string[] = [
  'hello',
  'echo',
  'wordcount',
  'checkout',
  'catalog',
  'currency',
  'tax',
  'shipping',
  'fan-out',
  'cart',
];

/** The key spaces that they may use. */
const KV: Readonly<Record<string, readonly string[]>> = { cart: ['carts:rw'] };

const FOLDER = import.meta.dirname;
const ROOT = join(FOLDER, '..');
const CACHE_FOLDER = join(ROOT, 'build', 'demo');

/** In the folder of a store: the versions of each function there that the demo has deployed, as `{"hello": ["<sha256>"]}`. */
const RECORD_FILE = 'demo.json';

type Versions = Readonly<Record<string, readonly string[]>>;

export interface DemoOptions {
  /** Folder of the server's store. Without one, nothing that is deployed is replaced. */
  readonly dataFolder?: string;
  /** Gets a line for each thing that is done, or left. */
  readonly report?: (line: string) => void;
  /** What was compiled is kept here until a source, the SDK or the compiler changes. */
  readonly cacheFolder?: string;
}

/**
 * Deploys the demo's functions that are missing on the server or that an earlier version of the demo deployed there. A function
 * of the same name that comes from elsewhere stays as it is.
 */
export async function deployDemo(server: WorkerServer, options: DemoOptions = {}): Promise<void> {
  const { dataFolder, report = () => {}, cacheFolder = CACHE_FOLDER } = options;
  const modules = await compileAll(cacheFolder, report);
  const versions = dataFolder === undefined ? {} : await readVersions(dataFolder);
  const missing = new Map<string, Uint8Array>();
  const foreign: string[] = [];
  for (const [name, module] of modules) {
    const deployed = server.has(name) ? server.inspect(name).version : undefined;
    if (deployed === moduleVersion(module)) continue;
    if (deployed === undefined || versions[name]?.includes(deployed) === true) missing.set(name, module);
    else foreign.push(name);
  }
  if (foreign.length > 0) report(`not replaced, since they are not the demo's: ${foreign.join(', ')}`);
  if (missing.size === 0) return;
  // Before they are deployed: whenever the process ends, those that are the demo's are known to be.
  if (dataFolder !== undefined) await addVersions(dataFolder, versions, missing);
  await createSpaces(server, dataFolder !== undefined);
  for (const [name, module] of missing) await server.deploy(name, module, { kv: KV[name] ?? [] });
  report(`deployed ${[...missing.keys()].join(', ')}`);
}

/** Those that are there stay as they are. */
async function createSpaces(server: WorkerServer, durable: boolean): Promise<void> {
  const there = (await server.kv.spaces()).map(({ name }) => name);
  const used = new Set(
    Object.values(KV)
      .flat()
      .map((entry) => parseKvRight(entry).space),
  );
  for (const name of used) if (!there.includes(name)) await server.kv.create(name, { durable });
}

/** A record that is missing or damaged says nothing: then nothing is the demo's. */
async function readVersions(dataFolder: string): Promise<Versions> {
  try {
    const record: unknown = JSON.parse(await readFile(join(dataFolder, RECORD_FILE), 'utf8'));
    const entries = Object.entries(record ?? {}).filter((entry) => Array.isArray(entry[1]));
    return Object.fromEntries(entries) as Versions;
  } catch {
    return {};
  }
}

async function addVersions(
  dataFolder: string,
  versions: Versions,
  modules: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const added = [...modules].map(([name, module]) => {
    const all = new Set([...(versions[name] ?? []), moduleVersion(module)]);
    return [name, [...all]] as const;
  });
  const text = `${JSON.stringify({ ...versions, ...Object.fromEntries(added) }, null, 2)}\n`;
  const file = join(dataFolder, RECORD_FILE);
  await writeDurably(join(dataFolder, 'tmp'), file, Buffer.from(text)).catch((error: unknown) => {
    throw storeError('write', file, error);
  });
}

/** The modules by name, in the order of DEMO_FUNCTIONS. */
async function compileAll(
  cacheFolder: string,
  report: (line: string) => void,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const version = await sourcesVersion();
  const fileOf = (name: string): string => join(cacheFolder, `${name}-${version}.wasm`);
  const kept = await Promise.all(DEMO_FUNCTIONS.map(async (name) => [name, await readCached(fileOf(name))] as const));
  const missingCount = kept.filter(([, module]) => module === undefined).length;
  if (missingCount > 0) {
    const what = missingCount === 1 ? '1 demo function' : `${missingCount} demo functions`;
    report(`compiling ${what}, once: this takes some seconds`);
  }
  const modules = new Map<string, Uint8Array>();
  for (const [name, module] of kept) modules.set(name, module ?? (await compile(name, fileOf(name))));
  return modules;
}

/** A hash over all that a compiled function depends on. */
async function sourcesVersion(): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of ['demo', 'sdk/assemblyscript/assembly', 'src/functions']) {
    const entries = await readdir(join(ROOT, folder), { recursive: true, withFileTypes: true });
    const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    for (const path of paths.filter((path) => isCompiled(folder, path)).sort()) {
      hash
        .update(`${relative(ROOT, path)}\0`)
        .update(await readFile(path))
        .update('\0');
    }
  }
  const compiler = createRequire(import.meta.url)('assemblyscript/package.json') as { version: string };
  return hash.update(compiler.version).digest('hex').slice(0, 16);
}

/** Of the functions of the server, only the compiler matters. */
function isCompiled(folder: string, path: string): boolean {
  if (!path.endsWith('.ts') || path.endsWith('.test.ts')) return false;
  return folder !== 'src/functions' || /compile(-worker)?\.ts$/.test(path);
}

async function readCached(file: string): Promise<Uint8Array | undefined> {
  return readFile(file).catch(() => undefined);
}

async function compile(name: string, file: string): Promise<Uint8Array> {
  const module = await compileSource(join(FOLDER, `${name}.ts`));
  try {
    await mkdir(join(file, '..'), { recursive: true });
    // Never a part of a module under the name of a whole one.
    await writeFile(`${file}.${process.pid}`, module);
    await rename(`${file}.${process.pid}`, file);
  } catch {
    // Where nothing can be kept, it is compiled again the next time.
  }
  return module;
}
