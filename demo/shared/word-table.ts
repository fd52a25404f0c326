/** Counts words, which stay where they are in the text. Bounded in memory and in time. */
import { random, View } from 'jord';
import { hashOfWord, isSameWord } from './words';

const SLOTS_FIRST: i32 = 256;
/** With the smaller tables before it, these take 852 KiB. */
const SLOTS_MAX: i32 = 32768;
/** How far from its place a word may be. Beyond that it is not kept, so that no text can make this slow. */
const DISTANCE_MAX: u32 = 256;

/** A word: where it is first, and how often it occurs. Free while the count is 0. */
@unmanaged
class Slot {
  pointer: usize = 0;
  length: i32 = 0;
  hash: u32 = 0;
  count: i32 = 0;

  get word(): View {
    return new View(this.pointer, this.length);
  }

  /** Is to be listed before another one: more frequent, or as frequent and earlier. */
  isBefore(other: Slot): bool {
    return this.count > other.count || (this.count == other.count && this.pointer < other.pointer);
  }
}

export class WordTable {
  private size: i32 = SLOTS_FIRST;
  private slots: usize = newSlots(SLOTS_FIRST);
  /** So that nobody can write a text whose words all have one hash. */
  private seed: u32 = random.u32();
  private used: i32 = 0;
  private full: bool = false;

  /** How many different words are kept. */
  get distinct(): i32 {
    return this.used;
  }

  /** Every word is kept. If not, words that came late in a text with very many different ones are missing. */
  get isComplete(): bool {
    return !this.full;
  }

  add(pointer: usize, length: i32): void {
    const hash = hashOfWord(pointer, length, this.seed);
    let slot = this.find(pointer, length, hash);
    // Before there is no room at all, it gets crowded.
    if (slot == null || (slot.count == 0 && this.used * 4 >= this.size * 3)) {
      slot = this.grow() ? this.find(pointer, length, hash) : null;
    }
    if (slot == null) {
      this.full = true;
      return;
    }
    if (slot.count == 0) {
      slot.pointer = pointer;
      slot.length = length;
      slot.hash = hash;
      this.used++;
    }
    slot.count++;
  }

  /** The most frequent words in order. */
  most(limit: i32): Slot[] {
    const listed: Slot[] = [];
    if (limit == 0) return listed;
    for (let i: i32 = 0; i < this.size; i++) {
      const slot = this.at(i);
      if (slot.count == 0) continue;
      if (listed.length == limit) {
        if (!slot.isBefore(listed[limit - 1])) continue;
        listed.pop();
      }
      listed.push(slot);
      for (let j = listed.length - 1; j > 0 && slot.isBefore(listed[j - 1]); j--) {
        listed[j] = listed[j - 1];
        listed[j - 1] = slot;
      }
    }
    return listed;
  }

  /** The slot of a word, or a free one for it, or null when there is none near its place. */
  private find(pointer: usize, length: i32, hash: u32): Slot | null {
    for (let distance: u32 = 0; distance < DISTANCE_MAX; distance++) {
      const slot = this.at((hash + distance) & (this.size - 1));
      if (slot.count == 0) return slot;
      if (slot.hash == hash && isSameWord(slot.pointer, slot.length, pointer, length)) return slot;
    }
    return null;
  }

  /** Moves to a table four times as large, or as large as it gets; false when it is that already. */
  private grow(): bool {
    if (this.size == SLOTS_MAX) return false;
    const old = this.slots;
    const oldSize = this.size;
    this.size = min(oldSize * 4, SLOTS_MAX);
    this.slots = newSlots(this.size);
    for (let i: i32 = 0; i < oldSize; i++) {
      const slot = changetype<Slot>(old + <usize>i * offsetof<Slot>());
      if (slot.count == 0) continue;
      const free = this.find(slot.pointer, slot.length, slot.hash);
      if (free != null) memory.copy(changetype<usize>(free), changetype<usize>(slot), offsetof<Slot>());
      else this.full = true;
    }
    return true;
  }

  private at(index: u32): Slot {
    return changetype<Slot>(this.slots + <usize>index * offsetof<Slot>());
  }
}

function newSlots(count: i32): usize {
  const size = <usize>count * offsetof<Slot>();
  const slots = heap.alloc(size);
  memory.fill(slots, 0, size);
  return slots;
}
