/**
 * What the writer thread does: takes what has changed in durable spaces, writes all of it in one transaction, and lets those know who
 * wait for it. While nobody waits it gathers for a moment first; what comes while it writes goes into the next transaction.
 *
 * A batch: S is the last version of a space that was given out; all entries that are listed as changed are taken, stripe by
 * stripe; they are written and committed; all up to S is on disk. A version is given out and its entry listed with the lock of the
 * stripe held, and the writer takes that after it has read S: so what has a version up to S is listed when it looks.
 */
import {
  CONTROL_KV_WRITER,
  CONTROL_NOW_MS64,
  ENTRY_KEY_LENGTH,
  KV_WRITER_RECORD,
  RECORD_EXPIRES_MS,
  RECORD_LENGTH,
  RECORD_VALUE,
  RECORD_VERSION,
  SPACE_DIRTY_BYTES,
  SPACE_DURABLE,
  SPACE_FAILED,
  SPACE_HANDLE_FIRST,
  SPACE_SIZE,
  SPACE_TABLE,
  SPACE_VERSION,
  STRIPES,
  WRITER_AWAKE,
  WRITER_DOZING,
  WRITER_PARKED,
} from '../../../core/layout.ts';
import type { AddressSpace, PrivLib } from '../privlib.ts';
import { instantiatePrivLib } from '../privlib.ts';
import { clockWord, monotonicMs } from '../time.ts';
import type { KvDatabase } from './database.ts';
import { type BoundSpace, isAwaited, SHARED_MESSAGES, wakeWaiters } from './protocol.ts';

/** How long it waits for more to write, while nobody waits for it. */
const DOZE_MS = 10;
/** After a failure; twice as long after each further one. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2000;
/** No wait is longer, so that what is lost is found. */
const PARK_MS_MAX = 60_000;

interface Taken {
  readonly handle: number;
  readonly entry: number;
  readonly value: number;
}

/** What it needs of the database. */
export type WritableDatabase = Pick<KvDatabase, 'transaction' | 'put' | 'delete' | 'setVersion'>;

/** What the writer says of the disk. */
export type DiskReport = (level: 'info' | 'error', message: string) => void;

export class KvWriter {
  readonly #privLib: PrivLib;
  readonly #words: Int32Array;
  readonly #bigWords: BigUint64Array;
  readonly #bytes: Uint8Array;
  readonly #shared: Int32Array;
  readonly #database: WritableDatabase;
  readonly #report: DiskReport;
  /** By index. */
  readonly #spaces = new Map<number, BoundSpace>();
  /** In a row. */
  #failures = 0;
  #retryAtMs = 0;

  constructor(addressSpace: AddressSpace, shared: Int32Array, database: WritableDatabase, report: DiskReport) {
    const { buffer } = addressSpace.memory;
    this.#privLib = instantiatePrivLib(addressSpace);
    this.#words = new Int32Array(buffer, 0, 2 ** 29);
    this.#bigWords = new BigUint64Array(buffer, 0, 2 ** 28);
    this.#bytes = new Uint8Array(buffer);
    this.#shared = shared;
    this.#database = database;
    this.#report = report;
  }

  bind(space: BoundSpace): void {
    this.#spaces.set(space.index, space);
  }

  /** Takes nothing of a space any more, and has nothing of it. */
  forget(name: string): void {
    for (const space of this.#spaces.values()) if (space.name === name) this.#spaces.delete(space.index);
  }

  /** Until `takeMessages`, which is called whenever there are some, returns false. */
  run(takeMessages: () => boolean): void {
    for (;;) {
      if (this.#takesMessages() && !takeMessages()) return;
      if (this.#failures > 0) this.#retry();
      else if (!this.#isDirty) this.#wait(WRITER_PARKED, PARK_MS_MAX);
      else {
        if (!isAwaited(this.#words, this.#shared)) this.#wait(WRITER_DOZING, DOZE_MS);
        this.writeBatch();
      }
    }
  }

  #takesMessages(): boolean {
    // Before they are taken: one that comes meanwhile sets it again.
    return Atomics.exchange(this.#shared, SHARED_MESSAGES, 0) !== 0;
  }

  #retry(): void {
    const restMs = this.#retryAtMs - monotonicMs();
    if (restMs <= 0) this.writeBatch();
    else this.#wait(WRITER_DOZING, restMs);
  }

  /** Whether anything is to be written that the disk does not have. */
  get #isDirty(): boolean {
    return this.#durable().some(({ index }) => this.#isChanged(index));
  }

  #durable(): BoundSpace[] {
    return [...this.#spaces.values()].filter(({ isDurable }) => isDurable);
  }

  #isChanged(index: number): boolean {
    const address = addressOf(index);
    return (
      this.#bigWord(address + SPACE_VERSION) > this.#bigWord(address + SPACE_DURABLE) ||
      Atomics.load(this.#words, (address + SPACE_DIRTY_BYTES) >>> 2) !== 0
    );
  }

  /**
   * Waits until it is woken. It first says what it waits for and then looks; others do it the other way round. So either this sees
   * that there is something, or they see that it waits.
   */
  #wait(state: typeof WRITER_PARKED | typeof WRITER_DOZING, milliseconds: number): void {
    const index = CONTROL_KV_WRITER >>> 2;
    Atomics.store(this.#words, index, state);
    const hasMessages = Atomics.load(this.#shared, SHARED_MESSAGES) !== 0;
    const mustNotWait = state === WRITER_PARKED ? this.#isDirty : this.#isWanted;
    if (!hasMessages && !mustNotWait) Atomics.wait(this.#words, index, state, milliseconds);
    Atomics.store(this.#words, index, WRITER_AWAKE);
  }

  /** While the disk refuses, nobody waits for long, and the next try comes when it comes. */
  get #isWanted(): boolean {
    return this.#failures === 0 && isAwaited(this.#words, this.#shared);
  }

  /** Writes what has changed up to now. Returns whether it is on disk; otherwise all of it is to be written yet. */
  writeBatch(): boolean {
    // After a failure all of them refuse changes, and this is what shows that they need not any more.
    const spaces = this.#durable().filter(({ index }) => this.#failures > 0 || this.#isChanged(index));
    const versions = spaces.map(({ index }) => this.#bigWord(addressOf(index) + SPACE_VERSION));
    const taken: Taken[] = [];
    let error: unknown;
    try {
      this.#database.transaction(() => {
        const wallMs = this.#wallClockOffsetMs();
        for (const [i, space] of spaces.entries()) this.#write(space, versions[i] ?? 0n, wallMs, taken);
      });
    } catch (thrown) {
      error = thrown;
    }
    const isWritten = error === undefined;
    for (const { handle, entry, value } of taken) this.#privLib.kvDirtyDone(handle, entry, value, isWritten ? 1 : 0);
    if (isWritten) for (const [i, { index }] of spaces.entries()) this.#setDurable(index, versions[i] ?? 0n);
    for (const { index } of this.#durable()) this.#setFailed(index, !isWritten);
    this.#note(error);
    wakeWaiters(this.#words, this.#shared, this.#privLib);
    return isWritten;
  }

  #setDurable(index: number, version: bigint): void {
    Atomics.store(this.#bigWords, (addressOf(index) + SPACE_DURABLE) >>> 3, version);
  }

  #setFailed(index: number, isFailed: boolean): void {
    Atomics.store(this.#words, (addressOf(index) + SPACE_FAILED) >>> 2, isFailed ? 1 : 0);
  }

  /** All of one space. */
  #write({ id, index }: BoundSpace, version: bigint, wallMs: number, taken: Taken[]): void {
    const handle = SPACE_HANDLE_FIRST + index;
    Atomics.store(this.#words, (addressOf(index) + SPACE_DIRTY_BYTES) >>> 2, 0);
    for (let stripe = 0; stripe < STRIPES; stripe++) this.#writeStripe(id, handle, stripe, wallMs, taken);
    this.#database.setVersion(id, version);
  }

  #writeStripe(id: number, handle: number, stripe: number, wallMs: number, taken: Taken[]): void {
    const { kvDirtyTake } = this.#privLib;
    let entry = kvDirtyTake(handle, stripe, 1) >>> 0;
    try {
      for (; entry !== 0; entry = kvDirtyTake(handle, stripe, 0) >>> 0)
        this.#writeEntry(id, handle, entry, wallMs, taken);
    } catch (error) {
      // What is begun with is to be taken, or the next batch would take nothing else.
      for (;;) {
        entry = kvDirtyTake(handle, stripe, 0) >>> 0;
        if (entry === 0) throw error;
        taken.push({ handle, entry, value: this.#word(KV_WRITER_RECORD + RECORD_VALUE) });
      }
    }
  }

  #writeEntry(id: number, handle: number, entry: number, wallMs: number, taken: Taken[]): void {
    const value = this.#word(KV_WRITER_RECORD + RECORD_VALUE);
    const length = this.#word(KV_WRITER_RECORD + RECORD_LENGTH);
    const version = this.#bigWord(KV_WRITER_RECORD + RECORD_VERSION);
    const expires = Number(this.#bigWord(KV_WRITER_RECORD + RECORD_EXPIRES_MS));
    taken.push({ handle, entry, value });
    const keyAt = this.#privLib.kvEntryKey(entry) >>> 0;
    const keyLength =
      (this.#bytes[entry + ENTRY_KEY_LENGTH] ?? 0) + 256 * (this.#bytes[entry + ENTRY_KEY_LENGTH + 1] ?? 0);
    const key = this.#bytes.subarray(keyAt, keyAt + keyLength);
    if (value === 0) this.#database.delete(id, key);
    else {
      const expiresMs = expires === 0 ? null : expires + wallMs;
      this.#database.put(id, key, this.#bytes.subarray(value, value + length), version, expiresMs);
    }
  }

  /** What to add to a time of the address space's clock for one of the wall clock. */
  #wallClockOffsetMs(): number {
    this.#privLib.clockAdvance(clockWord(monotonicMs()));
    return Date.now() - Number(this.#bigWord(CONTROL_NOW_MS64));
  }

  #note(error: unknown): void {
    if (error === undefined) {
      if (this.#failures > 0) this.#report('info', 'the key-value store: the disk takes what is written again');
      this.#failures = 0;
      return;
    }
    const delayMs = Math.min(RETRY_MS_MIN * 2 ** Math.min(this.#failures, 16), RETRY_MS_MAX);
    this.#retryAtMs = monotonicMs() + delayMs;
    if (this.#failures++ > 0) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.#report('error', `the key-value store: the disk refuses what is to be written, and is tried again: ${reason}`);
  }

  /** At the end: writes what there is, and which versions were given out. Returns whether all of it is on disk. */
  finish(): boolean {
    const isWritten = !this.#isDirty || this.writeBatch();
    try {
      this.#database.transaction(() => {
        for (const { id, index, isDurable } of this.#spaces.values()) {
          if (!isDurable) this.#database.setVersion(id, this.#bigWord(addressOf(index) + SPACE_VERSION));
        }
      });
      return isWritten;
    } catch {
      return false;
    }
  }

  #word(address: number): number {
    return (this.#words[address >>> 2] ?? 0) >>> 0;
  }

  #bigWord(address: number): bigint {
    return Atomics.load(this.#bigWords, address >>> 3);
  }
}

function addressOf(index: number): number {
  return SPACE_TABLE + index * SPACE_SIZE;
}
