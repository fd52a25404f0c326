/** The `kv` of a worker server on one thread: its own way to keys and values, and what it asks of the main thread. */
import { parseKvRight } from '../../functions/kv-rights.ts';
import type { Executor } from '../executor.ts';
import { DiskWaits } from './disk-waits.ts';
import { type FoundSpace, SpaceTable } from './space-table.ts';
import { KvStore } from './store.ts';
import type {
  Kv,
  KvEntry,
  KvListOptions,
  KvPage,
  KvPutOptions,
  KvSpaceInfo,
  KvSpaceOptions,
  KvSpaceUser,
} from './types.ts';

/** What it needs of the server. */
export interface KvHost {
  /** Deployed functions, with the spaces that each names. */
  functions(): Iterable<{ readonly name: string; readonly kv: readonly string[] }>;
  create(name: string, options: KvSpaceOptions): Promise<void>;
  drop(name: string): Promise<void>;
  /** Throws SERVER_STOPPED. */
  checkRunning(): void;
}

export class ThreadKv implements Kv {
  readonly #host: KvHost;
  readonly #table: SpaceTable;
  readonly #store: KvStore;
  readonly #waits: DiskWaits;

  /** `shared` are the words that threads share with the writer: protocol.ts. */
  constructor(executor: Executor, memory: WebAssembly.Memory, shared: Int32Array, host: KvHost) {
    this.#host = host;
    this.#table = new SpaceTable(memory, executor.privLib);
    this.#store = new KvStore(executor);
    this.#waits = new DiskWaits(memory, this.#table, shared);
  }

  async spaces(): Promise<readonly KvSpaceInfo[]> {
    this.#host.checkRunning();
    return this.describeAll();
  }

  /** The same, also when the server is stopped. */
  describeAll(): readonly KvSpaceInfo[] {
    const users = this.#users();
    return this.#table.list().map((space) => this.#describe(space, users));
  }

  async space(name: string): Promise<KvSpaceInfo> {
    return this.#describe(this.#find(name), this.#users());
  }

  async create(name: string, options: KvSpaceOptions = {}): Promise<KvSpaceInfo> {
    this.#host.checkRunning();
    await this.#host.create(name, options);
    return this.space(name);
  }

  async drop(name: string): Promise<void> {
    this.#host.checkRunning();
    await this.#host.drop(name);
  }

  get(space: string, key: Uint8Array): KvEntry | undefined {
    return this.#store.get(this.#find(space), key);
  }

  async put(space: string, key: Uint8Array, value: Uint8Array, options: KvPutOptions = {}): Promise<bigint> {
    const found = this.#find(space);
    const version = this.#store.put(found, key, value, options);
    await this.#written(found);
    return version;
  }

  async delete(space: string, key: Uint8Array, options: Pick<KvPutOptions, 'expected'> = {}): Promise<boolean> {
    const found = this.#find(space);
    const wasThere = this.#store.delete(found, key, options);
    if (wasThere) await this.#written(found);
    return wasThere;
  }

  async add(space: string, key: Uint8Array, delta: bigint): Promise<bigint> {
    const found = this.#find(space);
    const sum = this.#store.add(found, key, delta);
    await this.#written(found);
    return sum;
  }

  list(space: string, options: KvListOptions = {}): KvPage {
    return this.#store.list(this.#find(space), options);
  }

  #find(name: string): FoundSpace {
    this.#host.checkRunning();
    return this.#table.find(name);
  }

  async #written(space: FoundSpace): Promise<void> {
    if (space.isDurable) await this.#waits.written(space);
  }

  #describe(space: FoundSpace, users: ReadonlyMap<string, readonly KvSpaceUser[]>): KvSpaceInfo {
    return { ...this.#table.describe(space), functions: users.get(space.name) ?? [] };
  }

  /** By space. */
  #users(): ReadonlyMap<string, readonly KvSpaceUser[]> {
    const users = new Map<string, KvSpaceUser[]>();
    for (const { name, kv } of this.#host.functions()) {
      for (const { space, rights } of kv.map(parseKvRight)) {
        const ofSpace = users.get(space) ?? [];
        ofSpace.push({ name, rights });
        users.set(space, ofSpace);
      }
    }
    return users;
  }
}
