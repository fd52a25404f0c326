/** Spaces of the key-value store in an address space of its own, and keys and values as text, for tests of PrivLib. */
import { CONTROL_NOW_MS, SPACE_HANDLE_FIRST } from '../core/layout.ts';
import { failed } from '../src/server/privlib.ts';
import { Fixture, type TestFunction } from './privlib-fixture.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const SCRATCH_BYTES = 4096;
const SECOND = 2048;

export interface SpaceOptions {
  readonly flags?: number;
  readonly keysMax?: number;
  readonly bytesMax?: number;
}

export interface ListedKey {
  readonly key: string;
  readonly version: bigint;
  readonly ttlMs: bigint;
  readonly valueLength: number;
}

export class KvFixture extends Fixture {
  readonly #scratch = new Map<number, number>();

  /** Memory of a PD for keys: the first half, and the second. */
  #scratchOf(asker: number): number {
    let scratch = this.#scratch.get(asker);
    if (scratch === undefined) {
      scratch = this.privLib.vmaMap(SCRATCH_BYTES, asker) >>> 0;
      if (failed(scratch)) throw new Error(`vmaMap: ${scratch}`);
      this.#scratch.set(asker, scratch);
    }
    return scratch;
  }

  /** Its PD ends. */
  forget(asker: number): void {
    this.#scratch.delete(asker);
  }

  #write(asker: number, text: string, half = 0): [address: number, length: number] {
    const bytes = encoder.encode(text);
    const address = this.#scratchOf(asker) + half;
    this.bytes.set(bytes, address);
    return [address, bytes.length];
  }

  createSpace(name: string, { flags = 0, keysMax = 0, bytesMax = 0 }: SpaceOptions = {}): number {
    const seed = BigInt(name.length) * 0x1234_5678_9abc_def1n;
    return this.privLib.kvSpaceCreate(...this.#write(this.host, name), flags, keysMax, bytesMax, seed, this.host);
  }

  /** A function whose slot 0 is this space; and a PD of it that runs. */
  bind(made: TestFunction, space: number, rights: number, slot = 0): void {
    const status = this.privLib.kvBind(made.descriptor, slot, space, rights, this.host);
    if (status !== 0) throw new Error(`kvBind: ${status}`);
  }

  enter(made: TestFunction): { readonly pd: number; readonly base: number; readonly space: number } {
    const pd = this.privLib.pdCreate(made.descriptor, this.host);
    if (failed(pd)) throw new Error(`pdCreate: ${pd}`);
    this.privLib.pdEnter(pd, this.host);
    return { pd, base: this.privLib.pdHome(pd), space: SPACE_HANDLE_FIRST };
  }

  leave(pd: number): void {
    this.forget(this.privLib.pdHome(pd));
    this.privLib.pdExit(pd, this.host);
    this.privLib.pdDestroy(pd, this.host);
  }

  open(name: string, asker: number): number {
    return this.privLib.kvOpen(...this.#write(asker, name), asker);
  }

  argBuf(text: string, asker: number): number {
    const bytes = encoder.encode(text);
    const address = this.privLib.vmaMap(bytes.length, asker) >>> 0;
    if (failed(address)) throw new Error(`vmaMap: ${address}`);
    this.bytes.set(bytes, address);
    return address;
  }

  get(space: number, key: string, asker: number): number {
    return this.privLib.kvGet(space, ...this.#write(asker, key), asker) >>> 0;
  }

  /** The value as text, given back at once; or a status. */
  read(space: number, key: string, asker: number): string | number {
    const address = this.get(space, key, asker);
    if (failed(address)) return address;
    const text = this.textAt(address, asker);
    this.privLib.vmaRelease(address, asker);
    return text;
  }

  textAt(address: number, asker: number): string {
    return decoder.decode(this.bytes.slice(address, address + this.privLib.vmaLength(address, asker)));
  }

  putAt(space: number, key: string, value: number, asker: number, expected = -1n, ttlMs = 0n): bigint {
    return this.privLib.kvPut(space, ...this.#write(asker, key), value, expected, ttlMs, asker);
  }

  /** Puts text; gives the ArgBuf back where that fails. */
  put(space: number, key: string, value: string, asker: number, expected = -1n, ttlMs = 0n): bigint {
    const address = this.argBuf(value, asker);
    const version = this.putAt(space, key, address, asker, expected, ttlMs);
    if (version < 65536n) this.privLib.vmaUnmap(address, asker);
    return version;
  }

  delete(space: number, key: string, asker: number, expected = -1n): number {
    return this.privLib.kvDelete(space, ...this.#write(asker, key), expected, asker);
  }

  /** The sum, or a status. */
  add(space: number, key: string, delta: bigint, asker: number): bigint | number {
    const to = this.#scratchOf(asker) + SECOND;
    const status = this.privLib.kvAdd(space, ...this.#write(asker, key), delta, to, asker);
    return status === 0 ? this.view.getBigInt64(to, true) : status;
  }

  expire(space: number, key: string, ttlMs: bigint, asker: number): number {
    return this.privLib.kvExpire(space, ...this.#write(asker, key), ttlMs, asker);
  }

  list(
    space: number,
    prefix: string,
    after: string,
    limit: number,
    asker: number,
  ): { readonly keys: readonly ListedKey[]; readonly more: boolean } | number {
    const [at, length] = this.#write(asker, prefix);
    const page = this.privLib.kvList(space, at, length, ...this.#write(asker, after, SECOND), limit, asker) >>> 0;
    if (failed(page)) return page;
    const keys = [...this.#keysOf(page)];
    const more = this.word(page + 4) !== 0;
    this.privLib.vmaUnmap(page, asker);
    return { keys, more };
  }

  *#keysOf(page: number): Generator<ListedKey> {
    let at = page + 8;
    for (let i = 0; i < this.word(page); i++) {
      const length = this.word(at + 20);
      yield {
        key: decoder.decode(this.bytes.slice(at + 24, at + 24 + length)),
        version: this.view.getBigUint64(at, true),
        ttlMs: this.view.getBigUint64(at + 8, true),
        valueLength: this.word(at + 16),
      };
      at += (24 + length + 7) & ~7;
    }
  }

  /** Time passes. */
  passMs(ms: number): void {
    this.privLib.clockAdvance(this.word(CONTROL_NOW_MS) + ms);
  }
}
