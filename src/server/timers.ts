/** What waits for a time, the earliest first: a binary heap in which each entry knows its place, so that it can leave early. */

export interface Timed {
  /** When it is due, as monotonicMs. */
  dueMs: number;
  /** Its place in the heap; -1 outside. The heap's own. */
  timerIndex: number;
}

export class Timers<T extends Timed> {
  readonly #heap: T[] = [];

  /** When the first one is due; infinity when there is none. */
  get nextMs(): number {
    return this.#heap[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  add(entry: T): void {
    this.#rise(entry, this.#heap.length);
  }

  remove(entry: T): void {
    const index = entry.timerIndex;
    if (index < 0) return;
    entry.timerIndex = -1;
    const last = this.#heap.pop();
    if (last === undefined || last === entry) return;
    this.#rise(last, index);
    this.#sink(last, last.timerIndex);
  }

  /** Takes the first entry out, if it is due. */
  takeDue(nowMs: number): T | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.dueMs > nowMs) return undefined;
    this.remove(first);
    return first;
  }

  #put(entry: T, index: number): void {
    this.#heap[index] = entry;
    entry.timerIndex = index;
  }

  #rise(entry: T, from: number): void {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >>> 1;
      const parent = this.#heap[parentIndex];
      if (parent === undefined || parent.dueMs <= entry.dueMs) break;
      this.#put(parent, index);
      index = parentIndex;
    }
    this.#put(entry, index);
  }

  #sink(entry: T, from: number): void {
    let index = from;
    for (;;) {
      const left = this.#heap[2 * index + 1];
      const right = this.#heap[2 * index + 2];
      const child = left !== undefined && right !== undefined && right.dueMs < left.dueMs ? right : left;
      if (child === undefined || child.dueMs >= entry.dueMs) break;
      const childIndex = child.timerIndex;
      this.#put(child, index);
      index = childIndex;
    }
    this.#put(entry, index);
  }
}
