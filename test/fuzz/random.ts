/** Choices that a seed determines: the same on every machine. */
export class Random {
  #state: number;

  /** Any whole number is a seed. Streams of one seed are unrelated to each other. */
  constructor(seed: number, stream = 0) {
    this.#state = mix(mix(seed | 0) ^ Math.imul(stream + 1, 0x9e3779b1));
  }

  /** A u32. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    return mix(this.#state) >>> 0;
  }

  /** 0 to count - 1; 0 when there is nothing to choose from. */
  below(count: number): number {
    return Math.floor((this.next() / 2 ** 32) * count);
  }

  /** low to high, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32;
  }

  pick<T>(list: readonly [T, ...T[]] | readonly T[]): T {
    if (list.length === 0) throw new RangeError('nothing to choose from');
    return list[this.below(list.length)] as T; // inside the list
  }

  /** One of the second parts, by the weights in front of them. */
  weighted<T>(entries: readonly (readonly [weight: number, what: T])[]): T {
    const sum = entries.reduce((total, [weight]) => total + weight, 0);
    let rest = (this.next() / 2 ** 32) * sum;
    for (const [weight, what] of entries) {
      rest -= weight;
      if (rest < 0) return what;
    }
    return this.pick(entries)[1];
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: count }, () => this.next() & 0xff);
  }
}

/** Spreads what is in a word over all its bits. */
function mix(word: number): number {
  let bits = word;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}
