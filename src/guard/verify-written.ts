/** Which locals are written in each of the blocks that are open, each local once. */

export class WrittenLocals {
  /** The locals of the open blocks, one block behind the other; those of the innermost one from `first` to `count`. */
  list = new Int32Array(1024);
  count = 0;
  first = 0;
  /** For each entry, where the local was in the list before; for each local, where it is last, or -1. */
  #before = new Int32Array(1024);
  #last = new Int32Array(64).fill(-1);

  /** Begins a function. The last one must have closed all of its blocks; what it did not write needs no clearing. */
  begin(localCount: number): void {
    for (let i = 0; i < this.count; i += 1) this.#last[this.list[i] as number] = -1;
    this.count = 0;
    this.first = 0;
    if (localCount > this.#last.length) this.#last = new Int32Array(2 * localCount).fill(-1);
  }

  note(local: number): void {
    const last = this.#last[local] as number; // locals are inside the table
    if (last >= this.first) return;
    if (this.count === this.list.length) this.#grow();
    this.list[this.count] = local;
    this.#before[this.count] = last;
    this.#last[local] = this.count;
    this.count += 1;
  }

  #grow(): void {
    const list = new Int32Array(2 * this.list.length);
    list.set(this.list);
    this.list = list;
    const before = new Int32Array(list.length);
    before.set(this.#before);
    this.#before = before;
  }

  /** Opens a block. Returns where that around it begins, for `close`. */
  open(): number {
    const outer = this.first;
    this.first = this.count;
    return outer;
  }

  /** Closes the innermost block: its locals become those of the block around, which begins at `outer`. */
  close(outer: number): void {
    const { list } = this;
    let to = this.first;
    for (let from = this.first; from < this.count; from += 1) {
      const local = list[from] as number;
      const before = this.#before[from] as number;
      if (before >= outer) {
        this.#last[local] = before;
        continue;
      }
      list[to] = local;
      this.#before[to] = before;
      this.#last[local] = to;
      to += 1;
    }
    this.count = to;
    this.first = outer;
  }
}
