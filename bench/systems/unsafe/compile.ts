/**
 * Compiles the functions of an application once more, with the options that deploying uses and one more: their data is at an
 * address of its own in the one address space. So they need no `base`, and their accesses are what the compiler made of them.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { PAGE_SIZE } from '../../../core/layout.ts';
import { cached } from '../applications.ts';
import { makeReentrant } from '../plain/reentrant.ts';

const SDK_FOLDER = fileURLToPath(new URL('../../../sdk/assemblyscript/assembly', import.meta.url));
const ENTRY = 'jord-entry.ts';
const ALIASES = ['abort', 'trace', 'seed', 'console'];
/** Those during which other invocations may run. */
const YIELDING = new Set(['call', 'call_name', 'wait', 'wait_any', 'wait_all', 'sleep', 'fetch', 'kv_sync']);
/** `memory.size` of 4 GiB does not fit the runtime's arithmetic. */
const MEMORY_PAGES = 65535;

function entryText(file: string): string {
  return `import { Handler, received } from "jord/entry";
import { handle as user } from ${JSON.stringify(`./${path.basename(file, '.ts')}`)};
const handler: Handler = user;
export function handle(request: usize, length: i32): usize {
  return user(received(request, length)).send();
}
`;
}

async function compile(source: string, memoryBase: number): Promise<Uint8Array> {
  const folder = path.dirname(source);
  let module: Uint8Array | undefined;
  let messages = '';
  const options = [
    ...[ENTRY, '--baseDir', folder, '--outFile', 'function.wasm', '--runtime', 'stub'],
    ...['-O3', '--debug', '--enable', 'simd', '--enable', 'threads', '--disableWarning'],
    ...['--importMemory', '--sharedMemory', '--initialMemory', '65536', '--maximumMemory', '65536'],
    ...['--memoryBase', String(memoryBase)],
    ...ALIASES.flatMap((alias) => ['--use', `${alias}=~lib/jord/runtime/${alias}`]),
  ];
  const { error } = await asc.main(options, {
    readFile: async (name) => {
      const file = name.replaceAll('\\', '/');
      if (file === ENTRY) return entryText(source);
      const sdk = /(?:^|\/)node_modules\/jord\/(.+)$/.exec(file)?.[1];
      const full = sdk === undefined ? path.resolve(folder, file) : path.resolve(SDK_FOLDER, sdk);
      return readFile(full, 'utf8').catch(() => null);
    },
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
  if (error !== null || module === undefined) throw new Error(`${source} does not compile:\n${messages}`);
  return module;
}

export interface UnsafeModuleOptions {
  readonly name: string;
  readonly source: string;
  /** What the SDK made of the source: as long as it is the same, so is what is made here. */
  readonly module: Uint8Array;
  /** Where its data begins. */
  readonly memoryBase: number;
  /** Where in a home the memory of an invocation begins. */
  readonly arenaOffset: number;
}

/** A module without guard that runs in the address space: it imports that, and host functions with `base`. */
export function unsafeModule(options: UnsafeModuleOptions): Promise<Uint8Array> {
  const { name, source, module, memoryBase, arenaOffset } = options;
  const key = createHash('sha256').update(module).update(`${memoryBase} ${arenaOffset} 4`).digest('hex').slice(0, 16);
  return cached(`unsafe-${name}-${key}.wasm`, async () => {
    const compiled = await compile(source, memoryBase);
    return makeReentrant(compiled, {
      yielding: YIELDING,
      arenaOffset,
      memoryPages: MEMORY_PAGES,
      initialises: 'at-first',
    });
  });
}

/** What of the memory below `memoryBase` + this belongs to one function: its data, and what its initialisation takes. */
export const DATA_SIZE: number = 16 * PAGE_SIZE;
