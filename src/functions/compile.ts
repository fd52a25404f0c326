/**
 * From the AssemblyScript source of a function to its module. The compiler runs on a thread of its own (it takes about a
 * second, and ends its process when it crashes), which stays for a while in case there is more to compile.
 */
import { basename, dirname, join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type ErrorDetails, JordError } from '../errors.ts';

/** How a function is compiled. */
export interface CompileOptions {
  /**
   * How the function manages its memory. `stub` (the default) only ever takes more, which is the fastest and right for an
   * invocation that starts fresh; `incremental` collects garbage; `minimal` does so when the source calls `__collect()`.
   */
  readonly runtime?: Runtime;
}

export type Runtime = 'stub' | 'minimal' | 'incremental';

/** One thing that is wrong with a source. */
export interface SourceError {
  /** Relative or not as the source's path was; `~lib/…` for a file of the language's library, `~lib/jord/…` of the SDK. */
  readonly file: string;
  /** From 1; absent when it is about the whole file. */
  readonly line?: number;
  readonly column?: number;
  readonly message: string;
}

/** What the compiler's thread is asked, and what it answers. Files are relative to `folder`. */
export interface CompileRequest {
  readonly id: number;
  readonly folder: string;
  readonly file: string;
  readonly runtime: Runtime;
}

export type CompileAnswer =
  | { readonly id: number; readonly module: Uint8Array<ArrayBuffer> }
  | { readonly id: number; readonly errors: readonly SourceError[] }
  /** The last there is from the thread. */
  | { readonly crash: string };

type Settled = Exclude<CompileAnswer, { crash: string }>;

const RUNTIMES: readonly Runtime[] = ['stub', 'minimal', 'incremental'];
/** How long the compiler's thread waits for more work, in ms. It holds more than 200 MB. */
const IDLE_MS_MAX = 10_000;
/** Most errors that the message of an error has; all of them are in its details. */
const ERRORS_SHOWN_MAX = 20;

/**
 * Compiles the function whose source is the file `path` (and what it imports, relative or from `jord`).
 *
 * The module has the ABI's `handle`, names for traps, and imports nothing but `jord.*`. The same sources give the same
 * bytes. Throws SOURCE_REFUSED with every error of the sources, as `details.errors` (SourceError[]) as well.
 */
export async function compileSource(path: string, options: CompileOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  const runtime = options.runtime ?? 'stub';
  if (!RUNTIMES.includes(runtime)) {
    throw new JordError('BAD_OPTION', `The runtime must be one of ${RUNTIMES.join(', ')}, not "${String(runtime)}".`);
  }
  const full = resolve(path);
  if (!full.endsWith('.ts')) throw refusal([{ file: path, message: 'the name of a source must end in .ts' }]);
  const answer = await compiler.run({ folder: dirname(full), file: full, runtime });
  if ('module' in answer) return answer.module;
  const folder = dirname(path);
  throw refusal(
    answer.errors.map((error) =>
      error.file.startsWith('~lib/') ? error : { ...error, file: join(folder, error.file) },
    ),
  );
}

function refusal(errors: readonly SourceError[]): JordError {
  const lines = errors.slice(0, ERRORS_SHOWN_MAX).map(({ file, line, column, message }) => {
    const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
    return `${place}: ${message}`;
  });
  if (errors.length > lines.length) lines.push(`and ${errors.length - lines.length} more`);
  const details: ErrorDetails = { errors };
  return new JordError('SOURCE_REFUSED', lines.join('\n'), details);
}

type Ask = Omit<CompileRequest, 'id'>;

interface Waiting {
  readonly ask: Ask;
  readonly resolve: (answer: Settled) => void;
}

/** The compiler's thread: started when there is work, ended when there has been none for a while. */
class Compiler {
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #lastId = 0;
  readonly #waiting = new Map<number, Waiting>();

  run(ask: Ask): Promise<Settled> {
    return new Promise((resolve) => {
      const worker = this.#worker ?? this.#start();
      clearTimeout(this.#idle);
      worker.ref();
      const id = ++this.#lastId;
      this.#waiting.set(id, { ask, resolve });
      worker.postMessage({ id, ...ask } satisfies CompileRequest);
    });
  }

  #start(): Worker {
    // Options of the process, such as --input-type, are not for the worker's file.
    const worker = new Worker(new URL('./compile-worker.ts', import.meta.url), { execArgv: [] });
    let crash: Error | undefined;
    worker.on('message', (answer: CompileAnswer) => {
      if ('crash' in answer) crash = new Error(answer.crash);
      else this.#settle(answer);
    });
    worker.on('error', (error) => this.#fail(worker, error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', (code) => this.#fail(worker, crash ?? new Error(`its thread ended with code ${code}`)));
    this.#worker = worker;
    return worker;
  }

  #settle(answer: Settled): void {
    this.#waiting.get(answer.id)?.resolve(answer);
    this.#waiting.delete(answer.id);
    const worker = this.#worker;
    if (this.#waiting.size > 0 || worker === undefined) return;
    worker.unref();
    this.#idle = setTimeout(() => {
      this.#worker = undefined;
      void worker.terminate();
    }, IDLE_MS_MAX);
    this.#idle.unref();
  }

  /** The thread is gone. The source it was at is refused; those behind it begin again on a new thread. */
  #fail(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const [first, ...others] = this.#waiting;
    this.#waiting.clear();
    if (first === undefined) return;
    const [id, { ask, resolve }] = first;
    const message = `the AssemblyScript compiler crashed: ${error.message}`;
    resolve({ id, errors: [{ file: basename(ask.file), message }] });
    for (const [, waiting] of others) void this.run(waiting.ask).then(waiting.resolve);
  }
}

const compiler = new Compiler();
