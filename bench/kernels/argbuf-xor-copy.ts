// Copies 64 KiB byte by byte, each byte xored with a key: nothing but a load and a store.
// The source and target lie where `place` says; in xor-copy.ts, which has no `place`, at constant addresses of its own.

const LENGTH: usize = 65536;
let source: usize = memory.data(65536);
let target: usize = memory.data(65536);

export function place(request: usize, response: usize): void {
  source = request;
  target = response;
}

export function setup(): void {
  for (let i: usize = 0; i < LENGTH; i++) store<u8>(source + i, <u32>i * 31 + (<u32>i >> 8));
}

export function run(): i32 {
  // Locals, as C would have them: a global is read anew for each byte.
  const from = source;
  const to = target;
  for (let i: usize = 0; i < LENGTH; i++) store<u8>(to + i, load<u8>(from + i) ^ 0x5a);
  let sum: u32 = 0;
  for (let i: usize = 0; i < LENGTH; i += 64) sum = sum * 31 + load<u32>(to + i);
  return sum;
}
