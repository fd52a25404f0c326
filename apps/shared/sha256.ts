/** SHA-256 (FIPS 180-4). */
import { View } from 'jord';

export const SHA256_LENGTH: i32 = 32;

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const ROUND_CONSTANTS: StaticArray<u32> = primeRoots(64, true);
/** The same of the square roots of the first 8 primes: the state before the first block. */
const INITIAL: StaticArray<u32> = primeRoots(8, false);

/** Words of the message schedule, the state, and the block that is being filled. */
const SCHEDULE: usize = memory.data(64 * 4);
const STATE: usize = memory.data(8 * 4);
const BLOCK: usize = memory.data(64);

/**
 * The digest of the bytes of `first` and then of `second`, 32 bytes, written at an address. (Two, since what is hashed is
 * mostly a salt and a password.)
 */
export function sha256(first: View, second: View, digest: usize): void {
  for (let i: usize = 0; i < 8; i++) store<u32>(STATE + (i << 2), unchecked(INITIAL[<i32>i]));
  let filled = absorb(first, 0);
  filled = absorb(second, filled);
  finish(filled, (<u64>first.length + <u64>second.length) << 3);
  for (let i: usize = 0; i < 32; i += 4) store<u32>(digest + i, bswap<u32>(load<u32>(STATE + i)));
}

/** Adds bytes to the block, whose first `filled` bytes are there; returns how many there are then. */
function absorb(bytes: View, filled: i32): i32 {
  let at = bytes.pointer;
  let left = bytes.length;
  while (left > 0) {
    const count = min(left, 64 - filled);
    memory.copy(BLOCK + <usize>filled, at, count);
    at += <usize>count;
    left -= count;
    filled += count;
    if (filled < 64) break;
    compress();
    filled = 0;
  }
  return filled;
}

function finish(filled: i32, bitCount: u64): void {
  store<u8>(BLOCK + <usize>filled, 0x80);
  filled++;
  if (filled > 56) {
    memory.fill(BLOCK + <usize>filled, 0, 64 - filled);
    compress();
    filled = 0;
  }
  memory.fill(BLOCK + <usize>filled, 0, 56 - filled);
  store<u64>(BLOCK + 56, bswap<u64>(bitCount));
  compress();
}

function compress(): void {
  for (let i: usize = 0; i < 64; i += 4) store<u32>(SCHEDULE + i, bswap<u32>(load<u32>(BLOCK + i)));
  for (let at = SCHEDULE + 64; at < SCHEDULE + 256; at += 4) {
    const early = load<u32>(at - 60);
    const late = load<u32>(at - 8);
    const sigma0 = rotr<u32>(early, 7) ^ rotr<u32>(early, 18) ^ (early >> 3);
    const sigma1 = rotr<u32>(late, 17) ^ rotr<u32>(late, 19) ^ (late >> 10);
    store<u32>(at, load<u32>(at - 64) + sigma0 + load<u32>(at - 28) + sigma1);
  }
  let a = load<u32>(STATE);
  let b = load<u32>(STATE, 4);
  let c = load<u32>(STATE, 8);
  let d = load<u32>(STATE, 12);
  let e = load<u32>(STATE, 16);
  let f = load<u32>(STATE, 20);
  let g = load<u32>(STATE, 24);
  let h = load<u32>(STATE, 28);
  for (let i = 0; i < 64; i++) {
    const sum1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
    const first =
      h + sum1 + ((e & f) ^ (~e & g)) + unchecked(ROUND_CONSTANTS[i]) + load<u32>(SCHEDULE + ((<usize>i) << 2));
    const sum0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
    const second = sum0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
  add(0, a);
  add(4, b);
  add(8, c);
  add(12, d);
  add(16, e);
  add(20, f);
  add(24, g);
  add(28, h);
}

function add(offset: usize, value: u32): void {
  store<u32>(STATE + offset, load<u32>(STATE + offset) + value);
}

/** 32 bits of the fractional parts of the square or cube roots of the first primes, found by bisection in whole numbers. */
function primeRoots(count: i32, cube: bool): StaticArray<u32> {
  const roots = new StaticArray<u32>(count);
  let found = 0;
  for (let candidate: u64 = 2; found < count; candidate++) {
    let isPrime = true;
    for (let divisor: u64 = 2; divisor * divisor <= candidate; divisor++) {
      if (candidate % divisor == 0) isPrime = false;
    }
    if (isPrime) roots[found++] = cube ? cubeRootFraction(candidate) : squareRootFraction(candidate);
  }
  return roots;
}

/** The low 32 bits of floor(sqrt(n) * 2^32), bit by bit. The products are 128 bits wide. */
function squareRootFraction(n: u64): u32 {
  let root: u64 = 0;
  for (let bit: i32 = 36; bit >= 0; bit--) {
    const candidate = root | ((<u64>1) << bit);
    // candidate^2 <= n * 2^64: the upper half of the square is below n, or equals it with nothing below.
    const upper = multiplyHigh(candidate, candidate);
    if (upper < n || (upper == n && candidate * candidate == 0)) root = candidate;
  }
  return <u32>root;
}

/** The low 32 bits of floor(cbrt(n) * 2^32). */
function cubeRootFraction(n: u64): u32 {
  let root: u64 = 0;
  for (let bit: i32 = 35; bit >= 0; bit--) {
    const candidate = root | ((<u64>1) << bit);
    // candidate^3 <= n * 2^96. The square has at most 72 bits; shifted by 32 its upper part and the rest are multiplied.
    const squareHigh = multiplyHigh(candidate, candidate);
    const squareLow = candidate * candidate;
    const upper = (squareHigh << 32) | (squareLow >> 32);
    const lower = squareLow & 0xffff_ffff;
    const carry = (lower * (candidate & 0xffff_ffff)) >> 32;
    const rest = lower * (candidate >> 32) + carry;
    // upper * candidate + rest, in units of 2^32, against n * 2^64.
    const high = multiplyHigh(upper, candidate);
    const low = upper * candidate;
    const total = high + (low + rest < low ? 1 : 0);
    if (total < n) root = candidate;
  }
  return <u32>root;
}

/** The upper 64 bits of a product. */
function multiplyHigh(left: u64, right: u64): u64 {
  const leftLow = left & 0xffff_ffff;
  const leftHigh = left >> 32;
  const rightLow = right & 0xffff_ffff;
  const rightHigh = right >> 32;
  const middle = leftHigh * rightLow + ((leftLow * rightLow) >> 32);
  const other = leftLow * rightHigh + (middle & 0xffff_ffff);
  return leftHigh * rightHigh + (middle >> 32) + (other >> 32);
}
