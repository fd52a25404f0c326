/** A service's way to the store's process. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { KV_NOT_A_COUNTER } from '../../../core/status.ts';
import type { KvClient, KvValue } from '../plain/kv-client.ts';
import {
  ADD,
  DELETE,
  decodeAnswer,
  EXPIRE,
  encodeRequest,
  Frames,
  GET,
  LIST,
  OPEN,
  PUT,
  type StoreAnswer,
  type StoreRequest,
} from './store-wire.ts';

const EMPTY = new Uint8Array(0);
const NOTHING: Omit<StoreRequest, 'operation'> = { space: 0, key: EMPTY, secondKey: EMPTY, a: 0n, b: 0n, value: EMPTY };
/** Statuses are below. */
const STATUS_END = 65_536n;

export class RemoteStore implements KvClient {
  readonly isRemote = true;
  readonly #socket: Socket;
  readonly #pending = new Map<number, (answer: StoreAnswer) => void>();
  #next = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const frames = new Frames((frame) => {
      const { number, ...answer } = decodeAnswer(frame);
      this.#pending.get(number)?.(answer);
      this.#pending.delete(number);
    });
    socket.on('data', (bytes) => frames.push(bytes as Buffer));
  }

  static async connect(host: string, port: number): Promise<RemoteStore> {
    const socket = connect({ host, port, noDelay: true });
    await once(socket, 'connect');
    return new RemoteStore(socket);
  }

  #ask(operation: number, request: Partial<StoreRequest>): Promise<StoreAnswer> {
    const number = this.#next;
    this.#next = (this.#next + 1) >>> 0;
    return new Promise((resolve) => {
      this.#pending.set(number, resolve);
      this.#socket.write(encodeRequest(number, { ...NOTHING, ...request, operation }));
    });
  }

  async open(name: string): Promise<number> {
    return Number((await this.#ask(OPEN, { key: Buffer.from(name, 'utf8') })).result);
  }

  async get(space: number, key: Uint8Array): Promise<KvValue | number> {
    return found(await this.#ask(GET, { space, key }));
  }

  async put(space: number, key: Uint8Array, value: Uint8Array, expected: bigint, ttlMs: bigint): Promise<bigint> {
    return (await this.#ask(PUT, { space, key, value, a: expected, b: ttlMs })).result;
  }

  async delete(space: number, key: Uint8Array, expected: bigint): Promise<number> {
    return Number((await this.#ask(DELETE, { space, key, a: expected })).result);
  }

  /** The sum comes as the value, since it can be any number. */
  async add(space: number, key: Uint8Array, delta: bigint): Promise<bigint | number> {
    const { result, value } = await this.#ask(ADD, { space, key, a: delta });
    if (value.length === 8) return Buffer.from(value).readBigInt64LE();
    return result < STATUS_END ? Number(result) : KV_NOT_A_COUNTER;
  }

  async expire(space: number, key: Uint8Array, ttlMs: bigint): Promise<number> {
    return Number((await this.#ask(EXPIRE, { space, key, a: ttlMs })).result);
  }

  async list(space: number, prefix: Uint8Array, after: Uint8Array, limit: number): Promise<KvValue | number> {
    return found(await this.#ask(LIST, { space, key: prefix, secondKey: after, a: BigInt(limit) }));
  }
}

function found({ result, value }: StoreAnswer): KvValue | number {
  // A list has no version, so its result is 0, which no failed one has.
  return result === 0n || result >= STATUS_END ? { value, version: result, release: () => {} } : Number(result);
}
