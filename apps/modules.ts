/** The modules of applications: compiled once, then kept until a source, the SDK or the compiler changes. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { compileSource } from '../src/functions/compile.ts';
import type { Application } from './application.ts';

const ROOT = join(import.meta.dirname, '..');
const CACHE_FOLDER = join(ROOT, 'build', 'apps');

/** The module of each function, by its name. `report` gets a line when there is something to compile, which takes seconds. */
export async function modulesOf(
  application: Application,
  report: (line: string) => void = () => {},
): Promise<ReadonlyMap<string, Uint8Array>> {
  const version = await sourcesVersion(application);
  const fileOf = (name: string): string => join(CACHE_FOLDER, `${name}-${version}.wasm`);
  const modules = new Map<string, Uint8Array>();
  const missing: string[] = [];
  for (const { name } of application.functions) {
    const module = await readFile(fileOf(name)).catch(() => undefined);
    if (module === undefined) missing.push(name);
    else modules.set(name, module);
  }
  if (missing.length > 0) report(`compiling ${missing.length} functions of ${application.name}, once`);
  for (const { name, source } of application.functions) {
    if (!missing.includes(name)) continue;
    const module = await compileSource(source);
    await keep(fileOf(name), module);
    modules.set(name, module);
  }
  return modules;
}

/** A hash over all that the modules depend on. */
async function sourcesVersion({ functions }: Application): Promise<string> {
  const hash = createHash('sha256');
  const own = functions.map(({ source }) => relative(ROOT, dirname(source)));
  const others = ['apps/shared', 'sdk/assemblyscript/assembly', 'src/functions'];
  for (const folder of [...new Set([...own, ...others])]) {
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

async function keep(file: string, module: Uint8Array): Promise<void> {
  try {
    await mkdir(CACHE_FOLDER, { recursive: true });
    // Never a part of a module under the name of a whole one.
    await writeFile(`${file}.${process.pid}`, module);
    await rename(`${file}.${process.pid}`, file);
  } catch {
    // Where nothing can be kept, it is compiled again the next time.
  }
}
