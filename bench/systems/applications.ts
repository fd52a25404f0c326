/** The applications of the experiment, and their modules. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Application } from '../../apps/application.ts';
import { compileSource } from '../../src/functions/compile.ts';
import type { Subject } from './system.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CACHE = path.join(ROOT, 'build', 'bench');
/** The data set of the experiment. */
export const DATA_SEED = 1;

/** `url` is that of a module that exports `application`. */
export async function loadApplication(url: string): Promise<Application> {
  return ((await import(url)) as { readonly application: Application }).application;
}

/** An application with its modules, which are compiled where that was not done before. */
export async function loadSubject(url: string): Promise<Subject> {
  const application = await loadApplication(url);
  const version = await sourcesVersion(fileURLToPath(url));
  const modules = new Map<string, Uint8Array>();
  for (const { name, source } of application.functions) {
    modules.set(name, await cached(`${name}-${version}.wasm`, () => compileSource(source)));
  }
  return { application, dataSet: application.dataSet(DATA_SEED), modules };
}

/** Makes a file in the folder of what experiments keep, unless it is there. */
export async function cached(name: string, make: () => Promise<Uint8Array>): Promise<Uint8Array> {
  const file = path.join(CACHE, name);
  const kept = await readFile(file).catch(() => undefined);
  if (kept !== undefined) return kept;
  const made = await make();
  await mkdir(CACHE, { recursive: true });
  // Never a part of a module under the name of a whole one.
  await writeFile(`${file}.${process.pid}`, made);
  await rename(`${file}.${process.pid}`, file);
  return made;
}

/** A hash over all that the functions of an application depend on: what is beside it, what applications share, SDK, compiler. */
async function sourcesVersion(applicationFile: string): Promise<string> {
  const hash = createHash('sha256');
  const folders = [path.dirname(applicationFile), path.join(ROOT, 'apps', 'shared'), path.join(ROOT, 'sdk')];
  const files = [path.join(ROOT, 'src/functions/compile.ts'), path.join(ROOT, 'src/functions/compile-worker.ts')];
  for (const folder of folders) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
    const sources = entries.filter(({ name }) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
    files.push(...sources.map((entry) => path.join(entry.parentPath, entry.name)));
  }
  for (const file of files.sort()) hash.update(`${path.relative(ROOT, file)}\0`).update(await readFile(file));
  const compiler = createRequire(import.meta.url)('assemblyscript/package.json') as { readonly version: string };
  return hash.update(compiler.version).digest('hex').slice(0, 16);
}
