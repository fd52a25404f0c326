/**
 * Inboxes: queues of messages in memory that threads share. Any thread puts in, one takes out. A payload is copied in by the
 * sender and copied out by the receiver.
 *
 * Messages lie one behind the other in a ring of bytes; a sender moves the tail to make room for its own, writes it, and
 * then sets its first word, without which the receiver goes no further. The receiver clears what it has read before it moves
 * the head, so that the first word of a message to come is 0.
 */

/** Words of the head of an inbox, each on a cache line of its own. */
const HEAD = 0;
const TAIL = 16;
const DOORBELL = 32;
const HEAD_BYTES = 192;
/** Of a message: its size with all of this and set last; kind; three numbers; length of the payload; 8 bytes in all to spare. */
const SIZE = 0;
const KIND = 1;
const FIRST = 2;
const SECOND = 3;
const THIRD = 4;
const LENGTH = 5;
const MESSAGE_HEAD_BYTES = 32;
const ALIGNMENT = 32;
/** Kind of what only fills the ring up to its end. */
const PADDING = -1;

const AWAKE = 0;
const PARKED = 1;

const FULL_WAIT_MS = 1;
/** Who does not get rid of a message for so long is in a deadlock, or its receiver is gone. */
const FULL_TRIES_MAX = 10_000;

/** Words of what a thread counts: payloads that it copied, and their bytes. */
export const TRAFFIC_COPIES = 0;
export const TRAFFIC_BYTES = 1;
export const TRAFFIC_WORDS = 2;

/** What a receiver sees; the payload is good until `take` returns. */
export type Receive = (kind: number, first: number, second: number, third: number, payload: Uint8Array) => void;

export class Inbox {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #capacity: number;
  readonly #traffic: Float64Array;

  /** Of another thread, or a new one with room for so many bytes, a power of two. What is sent is counted in `traffic`. */
  constructor(bufferOrCapacity: SharedArrayBuffer | number, traffic: Float64Array = new Float64Array(TRAFFIC_WORDS)) {
    this.#traffic = traffic;
    this.buffer =
      typeof bufferOrCapacity === 'number' ? new SharedArrayBuffer(HEAD_BYTES + bufferOrCapacity) : bufferOrCapacity;
    this.#capacity = this.buffer.byteLength - HEAD_BYTES;
    if (!Number.isInteger(Math.log2(this.#capacity))) throw new RangeError('an inbox has a power of two of bytes');
    this.#words = new Int32Array(this.buffer);
    this.#bytes = new Uint8Array(this.buffer);
  }

  /** Most that a message may have, so that one always fits. */
  get payloadBytesMax(): number {
    return this.#capacity / 2 - MESSAGE_HEAD_BYTES;
  }

  /** Puts a message in, and wakes the receiver if it sleeps. Throws a RangeError for one that is too large. */
  send(kind: number, first: number, second: number, third: number, payload: Uint8Array): void {
    if (payload.length > this.payloadBytesMax)
      throw new RangeError(`a message of ${payload.length} bytes is too large`);
    const size = (MESSAGE_HEAD_BYTES + payload.length + ALIGNMENT - 1) & -ALIGNMENT;
    const at = HEAD_BYTES + this.#reserve(size);
    const word = at >>> 2;
    const words = this.#words;
    words[word + KIND] = kind;
    words[word + FIRST] = first;
    words[word + SECOND] = second;
    words[word + THIRD] = third;
    words[word + LENGTH] = payload.length;
    this.#bytes.set(payload, at + MESSAGE_HEAD_BYTES);
    Atomics.store(words, word + SIZE, size);
    this.#wake();
    countCopies(this.#traffic, 2, payload.length);
  }

  /** Offset of room for a message that lies in one piece. */
  #reserve(size: number): number {
    const words = this.#words;
    for (let tries = 0; tries < FULL_TRIES_MAX; ) {
      const tail = Atomics.load(words, TAIL);
      const used = (tail - Atomics.load(words, HEAD)) | 0;
      const offset = tail & (this.#capacity - 1);
      const rest = this.#capacity - offset;
      const padding = rest < size ? rest : 0;
      if (used + padding + size > this.#capacity) {
        tries++;
        Atomics.wait(words, HEAD, Atomics.load(words, HEAD), FULL_WAIT_MS);
        continue;
      }
      const next = (tail + padding + size) | 0;
      if (Atomics.compareExchange(words, TAIL, tail, next) !== tail) continue;
      if (padding === 0) return offset;
      const word = (HEAD_BYTES + offset) >>> 2;
      words[word + KIND] = PADDING;
      Atomics.store(words, word + SIZE, padding);
      return 0;
    }
    throw new Error('an inbox stays full');
  }

  /** Takes the messages that are there, this many at most. Returns how many there were. */
  take(receive: Receive, countMax: number): number {
    const words = this.#words;
    let count = 0;
    while (count < countMax) {
      const head = Atomics.load(words, HEAD);
      const at = HEAD_BYTES + (head & (this.#capacity - 1));
      const word = at >>> 2;
      const size = Atomics.load(words, word + SIZE);
      if (size === 0) break;
      const kind = words[word + KIND] ?? 0;
      if (kind !== PADDING) {
        const start = at + MESSAGE_HEAD_BYTES;
        const payload = this.#bytes.subarray(start, start + (words[word + LENGTH] ?? 0));
        receive(kind, words[word + FIRST] ?? 0, words[word + SECOND] ?? 0, words[word + THIRD] ?? 0, payload);
        count++;
      }
      // Each place where a message can begin.
      for (let i = 0; i < size; i += ALIGNMENT) words[word + (i >>> 2)] = 0;
      Atomics.store(words, HEAD, (head + size) | 0);
    }
    return count;
  }

  get isEmpty(): boolean {
    const words = this.#words;
    const at = HEAD_BYTES + (Atomics.load(words, HEAD) & (this.#capacity - 1));
    return Atomics.load(words, (at >>> 2) + SIZE) === 0;
  }

  /** Sleeps until there is a message, or so long. For the receiver. */
  park(milliseconds: number): void {
    const words = this.#words;
    Atomics.store(words, DOORBELL, PARKED);
    // Once more: who has put something in before it saw the doorbell set does not ring.
    if (this.isEmpty) Atomics.wait(words, DOORBELL, PARKED, milliseconds);
    Atomics.store(words, DOORBELL, AWAKE);
  }

  #wake(): void {
    const words = this.#words;
    if (Atomics.load(words, DOORBELL) !== PARKED) return;
    if (Atomics.compareExchange(words, DOORBELL, PARKED, AWAKE) === PARKED) Atomics.notify(words, DOORBELL, 1);
  }
}

/** So many copies of so many bytes each. */
export function countCopies(traffic: Float64Array, copies: number, bytes: number): void {
  traffic[TRAFFIC_COPIES] = (traffic[TRAFFIC_COPIES] ?? 0) + copies;
  traffic[TRAFFIC_BYTES] = (traffic[TRAFFIC_BYTES] ?? 0) + copies * bytes;
}
