// Copies 64 KiB byte by byte, each byte xored with a key: nothing but a load and a store.

const LENGTH: usize = 65536;
const source = memory.data(65536);
const target = memory.data(65536);

export function setup(): void {
  for (let i: usize = 0; i < LENGTH; i++) store<u8>(source + i, <u32>i * 31 + (<u32>i >> 8));
}

export function run(): i32 {
  for (let i: usize = 0; i < LENGTH; i++) store<u8>(target + i, load<u8>(source + i) ^ 0x5a);
  let sum: u32 = 0;
  for (let i: usize = 0; i < LENGTH; i += 64) sum = sum * 31 + load<u32>(target + i);
  return sum;
}
