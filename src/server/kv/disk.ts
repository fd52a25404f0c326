/** The disk under the key-value store, as the main thread has it: what is there at the start, and the thread that writes. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { SPACE_DIRTY_BYTES, SPACE_FAILED, SPACE_SIZE, SPACE_TABLE } from '../../../core/layout.ts';
import { JordError } from '../../errors.ts';
import type { AddressSpace, PrivLib } from '../privlib.ts';
import type { LogRecord } from '../types.ts';
import {
  DATABASE_FILE,
  type DatabaseOptions,
  databaseError,
  KvDatabase,
  type SpaceSettings,
  type StoredEntry,
  type StoredSpace,
} from './database.ts';
import {
  type BoundSpace,
  type FromWriter,
  SHARED_ENDED,
  type ToWriter,
  type WriterData,
  type WriterRequest,
  wakeForMessage,
  wakeWaiters,
} from './protocol.ts';
import type { FoundSpace } from './space-table.ts';

/** What was on disk when the server started. To be read once, before `KvDisk.start`. */
export interface Restored {
  readonly spaces: readonly StoredSpace[];
  readonly versionFloor: bigint;
  entries(space: StoredSpace): Iterable<StoredEntry>;
  close(): void;
}

type Answer = (result: number, error: string | undefined) => void;

/** One for a worker server with a data folder. The file and the thread are made when there is the first space. */
export class KvDisk {
  readonly #addressSpace: AddressSpace;
  readonly #privLib: PrivLib;
  readonly #folder: string;
  readonly #shared: Int32Array;
  readonly #log: (record: LogRecord) => void;
  readonly #options: DatabaseOptions;
  readonly #words: Int32Array;
  /** Ids in the file, by name. */
  readonly #ids = new Map<string, number>();
  readonly #bound = new Map<string, BoundSpace>();
  readonly #answers = new Map<number, Answer>();
  #lastId = 0;
  #started: Promise<Worker> | undefined;
  #hasEnded = false;
  #isStopping = false;

  constructor(
    addressSpace: AddressSpace,
    privLib: PrivLib,
    folder: string,
    shared: Int32Array,
    log: (record: LogRecord) => void,
    options: DatabaseOptions = {},
  ) {
    this.#addressSpace = addressSpace;
    this.#privLib = privLib;
    this.#folder = folder;
    this.#shared = shared;
    this.#log = log;
    this.#options = options;
    this.#words = new Int32Array(addressSpace.memory.buffer, 0, 2 ** 29);
  }

  /** Undefined where there is no file yet. Throws STORE_UNUSABLE; so does what reads the entries. */
  restore(): Restored | undefined {
    const path = join(this.#folder, DATABASE_FILE);
    if (!existsSync(path)) return undefined;
    const database = new KvDatabase(this.#folder);
    const checked = <T>(operation: () => T): T => {
      try {
        return operation();
      } catch (error) {
        database.close();
        throw databaseError(path, error);
      }
    };
    return checked(() => {
      database.begin(Date.now());
      const spaces = database.spaces();
      for (const { id, name } of spaces) this.#ids.set(name, id);
      return {
        spaces,
        versionFloor: database.versionFloor,
        *entries({ id }: StoredSpace): Generator<StoredEntry> {
          const entries = database.entries(id);
          for (;;) {
            const next = checked(() => entries.next());
            if (next.done === true) return;
            yield next.value;
          }
        },
        close: () => database.close(),
      };
    });
  }

  /** Starts the thread, unless it runs; it keeps no process alive. Throws STORE_UNUSABLE. */
  start(): Promise<Worker> {
    this.#started ??= this.#begin().catch((error: unknown) => {
      // The next one who asks tries again.
      this.#started = undefined;
      throw error;
    });
    return this.#started;
  }

  async #begin(): Promise<Worker> {
    const workerData: WriterData = {
      addressSpace: this.#addressSpace,
      folder: this.#folder,
      shared: this.#shared,
      options: this.#options,
      spaces: [...this.#bound.values()],
    };
    // Options of the process, such as --input-type, are not for the worker's file.
    const worker = new Worker(new URL('./writer-worker.ts', import.meta.url), { execArgv: [], workerData });
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    let isReady = false;
    worker.on('message', (message: FromWriter) => {
      if (message.kind === 'ready') resolve();
      else if (message.kind === 'failed') reject(new JordError('STORE_UNUSABLE', message.message, message.details));
      else this.#take(message);
    });
    worker.on('error', (error: unknown) => {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#log({ level: 'error', function: '', message: `the writer of the key-value store failed: ${text}` });
    });
    worker.on('exit', () => {
      reject(new JordError('INTERNAL', 'The writer of the key-value store has ended while it was started.'));
      if (isReady) this.#ended();
    });
    await ready;
    isReady = true;
    worker.unref();
    return worker;
  }

  #take(message: Exclude<FromWriter, { kind: 'ready' | 'failed' }>): void {
    if (message.kind === 'log') {
      this.#log({ level: message.level, function: '', message: message.message });
      return;
    }
    const answer = this.#answers.get(message.id);
    this.#answers.delete(message.id);
    answer?.(message.result, message.error);
  }

  /** The thread has ended. Where nobody has asked for that, nothing is written any more until the server is started again. */
  #ended(): void {
    this.#hasEnded = true;
    Atomics.store(this.#shared, SHARED_ENDED, 1);
    for (const answer of this.#answers.values()) answer(0, 'the writer has ended');
    this.#answers.clear();
    if (!this.#isStopping) this.#refuseAll();
    this.wake();
    if (this.#isStopping) return;
    const message =
      'the writer of the key-value store has ended: durable spaces take nothing until the server is restarted';
    this.#log({ level: 'error', function: '', message });
  }

  /** For those who wait, and those who would change something. */
  #refuseAll(): void {
    for (const { index, isDurable } of this.#bound.values()) {
      const address = SPACE_TABLE + index * SPACE_SIZE;
      if (isDurable) Atomics.store(this.#words, (address + SPACE_FAILED) >>> 2, 1);
    }
  }

  async #ask(request: WriterRequest): Promise<number> {
    const worker = await this.start();
    if (this.#hasEnded) throw new Error('the writer has ended');
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    // What is asked for is to be answered, also in a program that has nothing else to do.
    worker.ref();
    this.#answers.set(id, (result, error) => {
      if (this.#answers.size === 0) worker.unref();
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    });
    worker.postMessage({ id, request } satisfies ToWriter);
    wakeForMessage(this.#words, this.#shared);
    return promise;
  }

  /** The settings of a space are on disk when this returns. Throws KV_DISK_FAILED. */
  async save(settings: SpaceSettings): Promise<void> {
    const id = await this.#ask({ kind: 'save', settings }).catch((error: unknown) => {
      throw diskFailed(settings.name, error);
    });
    this.#ids.set(settings.name, id);
  }

  /** From now on what changes in a space, which was saved or restored, is written. */
  bind({ name, index, isDurable }: FoundSpace): void {
    const space = { id: this.#ids.get(name) ?? 0, name, index, isDurable };
    this.#bound.set(name, space);
    // Before the start: the thread gets it as it begins. After its end it need not.
    if (this.#started !== undefined) this.#ask({ kind: 'bind', space }).catch(() => {});
  }

  /** Nothing of a space, which has given out versions up to this one, is on disk when this returns. Throws KV_DISK_FAILED. */
  async drop(name: string, version: bigint): Promise<void> {
    await this.#ask({ kind: 'drop', name, version }).catch((error: unknown) => {
      throw diskFailed(name, error);
    });
    this.#ids.delete(name);
    this.#bound.delete(name);
  }

  /** Has all who wait for the disk look again. */
  wake(): void {
    wakeWaiters(this.#words, this.#shared, this.#privLib);
  }

  /** For tests: DatabaseOptions. */
  async limitPages(pagesMax: number): Promise<void> {
    await this.#ask({ kind: 'limitPages', pagesMax });
  }

  /** Writes what there is, and ends the thread. What the disk refuses is lost, and said in the log. */
  async stop(): Promise<void> {
    const worker = await this.#started;
    if (worker === undefined || this.#hasEnded) return;
    this.#isStopping = true;
    const exited = once(worker, 'exit');
    try {
      await this.#ask({ kind: 'stop' });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const message = `the key-value store was stopped with ${this.#unsavedBytes()} bytes that are not on disk: ${reason}`;
      this.#log({ level: 'error', function: '', message });
    }
    worker.ref();
    await exited;
  }

  #unsavedBytes(): number {
    let sum = 0;
    for (const { index, isDurable } of this.#bound.values()) {
      const address = SPACE_TABLE + index * SPACE_SIZE;
      if (isDurable) sum += (this.#words[(address + SPACE_DIRTY_BYTES) >>> 2] ?? 0) >>> 0;
    }
    return sum;
  }
}

function diskFailed(space: string, error: unknown): JordError {
  if (error instanceof JordError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const message = `The disk does not take the settings of the space "${space}": ${reason}.`;
  return new JordError('KV_DISK_FAILED', message, { space });
}
