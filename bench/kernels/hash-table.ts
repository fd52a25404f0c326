// Open addressing with linear probing: 4,096 insertions, then 8,192 lookups of which half find something.

const CAPACITY: u32 = 8192;
const ENTRIES: u32 = 4096;
/** Key and value, 4 bytes each; key 0 is a free slot. */
const table = memory.data(8192 * 8);

export function setup(): void {}

function slotOf(key: u32): usize {
  let slot = (key * 0x9e3779b1) >> 19;
  while (true) {
    const at = table + ((<usize>slot) << 3);
    const found = load<u32>(at);
    if (found === key || found === 0) return at;
    slot = (slot + 1) & (CAPACITY - 1);
  }
}

export function run(): i32 {
  memory.fill(table, 0, (<usize>CAPACITY) << 3);
  let x: u32 = 1;
  for (let i: u32 = 0; i < ENTRIES; i++) {
    x = x * 1664525 + 1013904223;
    const at = slotOf(x | 1);
    store<u32>(at, x | 1);
    store<u32>(at, load<u32>(at, 4) + i, 4);
  }
  x = 1;
  let sum: u32 = 0;
  for (let i: u32 = 0; i < ENTRIES; i++) {
    x = x * 1664525 + 1013904223;
    sum = sum * 31 + load<u32>(slotOf(x | 1), 4);
    // Even keys are never in the table.
    sum += load<u32>(slotOf(((x ^ 0x55555554) & ~1) | 2), 4);
  }
  return sum;
}
