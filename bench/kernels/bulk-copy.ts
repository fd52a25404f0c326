// 1,024 memory.copy of 16 to 1,039 bytes each, and as many memory.fill: the bulk instructions at small sizes.

const LENGTH: u32 = 65536;
const source = memory.data(65536 + 2048);
const target = memory.data(65536 + 2048);

export function setup(): void {
  for (let i: u32 = 0; i < LENGTH; i++) store<u8>(source + i, i * 11 + (i >> 7));
}

export function run(): i32 {
  let x: u32 = 99;
  for (let i = 0; i < 1024; i++) {
    x = x * 1664525 + 1013904223;
    const from = source + ((x >> 4) & 0xffff);
    const to = target + ((x >> 9) & 0xffff);
    memory.copy(to, from, 16 + (x >> 22));
    memory.fill(to + 16, <u8>(x >> 24), 16 + ((x >> 12) & 0xff));
  }
  let sum: u32 = 0;
  for (let i: u32 = 0; i < LENGTH; i += 64) sum = sum * 31 + load<u32>(target + i);
  return sum;
}
