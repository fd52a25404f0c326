/** Compiles and deploys the demo's functions. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { compileSource } from '../src/functions/compile.ts';
import { moduleVersion } from '../src/functions/store.ts';
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
];

const FOLDER = import.meta.dirname;
const ROOT = join(FOLDER, '..');
const CACHE_FOLDER = join(ROOT, 'build', 'demo');

/**
 * Deploys the demo's functions that are missing on the server or differ from the sources here. `report` gets a line for
 * each that is compiled or deployed.
 *
 * What was compiled is kept in `cacheFolder` until a source, the SDK or the compiler changes.
 */
export async function deployDemo(
  server: WorkerServer,
  report: (line: string) => void = () => {},
  cacheFolder: string = CACHE_FOLDER,
): Promise<void> {
  const version = await sourcesVersion();
  for (const name of DEMO_FUNCTIONS) {
    const file = join(cacheFolder, `${name}-${version}.wasm`);
    const module = (await readCached(file)) ?? (await compile(name, file, report));
    if (server.has(name) && server.inspect(name).version === moduleVersion(module)) continue;
    await server.deploy(name, module);
    report(`deployed ${name}`);
  }
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

async function compile(name: string, file: string, report: (line: string) => void): Promise<Uint8Array> {
  report(`compiling ${name}`);
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
