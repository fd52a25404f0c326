/**
 * Which values are kin: one may be at a constant distance of the other, or the same on some path, as far as anybody can know who looks
 * at the code in its order. The verifier keeps one check and one mark for what it knows to have one root, so what is found out about
 * one of them ends what was known of the others. Sets that are united, each with the sites that were about one of its values last.
 */
import { grown, int32 } from './tables.ts';

export class Kin {
  /** By number of a value: another one of its kin, or itself for the one that stands for all of them. */
  #next = int32(1024);
  /** For those that stand for others: the group of the last site about one of them, where that was, and the last of another group. */
  #lastGroup = int32(1024);
  #lastAt = int32(1024);
  #otherAt = int32(1024);

  /** A value that is nobody's kin yet. Numbers are given in ascending order, from the beginning in each body. */
  add(value: number): void {
    this.#next = grown(this.#next, value + 1, int32);
    this.#lastGroup = grown(this.#lastGroup, value + 1, int32);
    this.#lastAt = grown(this.#lastAt, value + 1, int32);
    this.#otherAt = grown(this.#otherAt, value + 1, int32);
    this.#next[value] = value;
    this.#lastGroup[value] = 0;
    this.#lastAt[value] = -1;
    this.#otherAt[value] = -1;
  }

  /** The number that stands for a value's kin. Shortens the way for the next time. */
  of(value: number): number {
    const next = this.#next;
    let first = value;
    while (next[first] !== first) first = next[first] as number; // values are inside the table
    for (let at = value; at !== first; ) {
      const behind = next[at] as number;
      next[at] = first;
      at = behind;
    }
    return first;
  }

  unite(value: number, other: number): void {
    const to = this.of(value);
    const from = this.of(other);
    if (to === from) return;
    this.#next[from] = to;
    const isLater = (this.#lastAt[from] as number) > (this.#lastAt[to] as number);
    const [earlier, later] = isLater ? [to, from] : [from, to];
    const lastOther = this.#lastGroup[earlier] === this.#lastGroup[later] ? -1 : (this.#lastAt[earlier] as number);
    this.#otherAt[to] = Math.max(this.#otherAt[to] as number, this.#otherAt[from] as number, lastOther);
    this.#lastGroup[to] = this.#lastGroup[later] as number;
    this.#lastAt[to] = this.#lastAt[later] as number;
  }

  /** Takes note of a site of a group that is about a value, at an instruction. */
  note(value: number, group: number, at: number): void {
    const first = this.of(value);
    if (this.#lastGroup[first] !== group) {
      this.#otherAt[first] = this.#lastAt[first] as number;
      this.#lastGroup[first] = group;
    }
    this.#lastAt[first] = at;
  }

  /** Whether behind an instruction there was a site of another group, about one of the value's kin. */
  isOtherSince(value: number, group: number, at: number): boolean {
    const first = this.of(value);
    return ((this.#lastGroup[first] === group ? this.#otherAt[first] : this.#lastAt[first]) as number) > at;
  }
}
