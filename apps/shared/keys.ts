/** Keys of the key-value store that are numbers. */
import { View } from 'jord';

/**
 * Makes keys: eight bytes, big-endian, so that keys are in the order of their numbers. There is one at a time; whoever needs many
 * makes them with the same maker, which takes no memory for each.
 */
export class NumberKey {
  private key: View = new View(heap.alloc(8), 8);

  /** The key of a number, until the next one is made. */
  of(id: u64): View {
    store<u64>(this.key.pointer, bswap(id));
    return this.key;
  }
}

/** A single key. */
export function keyOf(id: u64): View {
  return new NumberKey().of(id);
}
