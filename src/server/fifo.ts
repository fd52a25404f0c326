/** First in, first out; both ends in constant time, whatever the length. */
export class Fifo<T> {
  #entries: (T | undefined)[] = [];
  #first = 0;

  get size(): number {
    return this.#entries.length - this.#first;
  }

  push(entry: T): void {
    this.#entries.push(entry);
  }

  peek(): T | undefined {
    return this.#entries[this.#first];
  }

  shift(): T | undefined {
    const entry = this.#entries[this.#first];
    if (this.#first >= this.#entries.length) return undefined;
    this.#entries[this.#first++] = undefined;
    if (this.#first === this.#entries.length) {
      this.#entries.length = 0;
      this.#first = 0;
    } else if (this.#first >= 1024 && this.#first * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
    return entry;
  }
}
