// Counts the primes below 65,536 with a sieve of one byte a number.

const LIMIT: usize = 65536;
const composite = memory.data(65536);

export function setup(): void {}

export function run(): i32 {
  memory.fill(composite, 0, LIMIT);
  let count = 0;
  for (let i: usize = 2; i < LIMIT; i++) {
    if (load<u8>(composite + i)) continue;
    count++;
    for (let j = i * i; j < LIMIT; j += i) store<u8>(composite + j, 1);
  }
  return count;
}
