// Walks a linked list of 16,384 nodes of 16 bytes in a shuffled order: every load waits for the one before.

const COUNT: u32 = 16384;
const nodes = memory.data(16384 * 16);
const order = memory.data(16384 * 4);

export function setup(): void {
  for (let i: usize = 0; i < COUNT; i++) store<u32>(order + (i << 2), <u32>i);
  let x: u32 = 7;
  for (let i: u32 = COUNT - 1; i > 0; i--) {
    x = x * 1664525 + 1013904223;
    const at = order + ((<usize>i) << 2);
    const other = order + ((<usize>((x >> 8) % (i + 1))) << 2);
    const swapped = load<u32>(at);
    store<u32>(at, load<u32>(other));
    store<u32>(other, swapped);
  }
  for (let i: u32 = 0; i < COUNT; i++) {
    const node = nodes + ((<usize>load<u32>(order + ((<usize>i) << 2))) << 4);
    const next = nodes + ((<usize>load<u32>(order + ((<usize>((i + 1) % COUNT)) << 2))) << 4);
    store<usize>(node, next);
    store<u32>(node, i, 8);
  }
}

export function run(): i32 {
  let node: usize = nodes;
  let sum: u32 = 0;
  for (let i: u32 = 0; i < COUNT; i++) {
    sum = sum * 3 + load<u32>(node, 8);
    node = load<usize>(node);
  }
  return sum + <u32>(node - nodes);
}
