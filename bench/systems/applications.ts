/** The applications of the experiment, and their modules. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Application } from '../../apps/application.ts';
import { modulesOf } from '../../apps/modules.ts';
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
  return { application, dataSet: application.dataSet(DATA_SEED), modules: await modulesOf(application) };
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
