/**
 * The f64 nearest to a decimal number, exactly: ties go to the even one. What is common is one multiplication or
 * division of exact floats; the rest is done in integers as long as it takes.
 */

/** More digits than this cannot change the result, except by not being zero: 767 are enough to tell a tie. */
const DIGITS_MAX: i32 = 800;
/** Words of 32 bits for the largest number that occurs: 10^1140 shifted by 64 bits. */
const WORDS_MAX: i32 = 140;
/** The powers of ten that an f64 holds exactly. */
const EXACT_POWER_MAX: i32 = 22;
const EXACT_INTEGER_MAX: u64 = 1 << 53;

/** Reads a number that follows the grammar of JSON, without its sign. Infinity when it is larger than every f64. */
export function parseDecimal(start: usize, end: usize): f64 {
  let integer: u64 = 0;
  let exponent: i32 = 0;
  let fraction = false;
  for (let at = start; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == 0x2e) {
      fraction = true;
      continue;
    }
    if ((byte | 0x20) == 0x65) {
      exponent += parseExponent(at + 1, end);
      break;
    }
    if (integer > EXACT_INTEGER_MAX / 10 - 1) return parseLong(start, end);
    integer = integer * 10 + (byte - 0x30);
    if (fraction) exponent--;
  }
  if (integer == 0) return 0;
  if (abs(exponent) > EXACT_POWER_MAX) return parseLong(start, end);
  const power = exactPower(abs(exponent));
  return exponent < 0 ? <f64>integer / power : <f64>integer * power;
}

function parseLong(start: usize, end: usize): f64 {
  const number = new Decimal(start, end);
  const magnitude = number.count + number.exponent;
  if (number.count == 0 || magnitude < -330) return 0;
  if (magnitude > 310) return Infinity;
  return number.exponent < 0 ? divide(number) : multiply(number);
}

/** The digits of a number in its text: without leading zeros, sign, point and exponent. The value is digits × 10^exponent. */
class Decimal {
  /** Of the first digit that is not zero, and behind the last digit. */
  private start: usize;
  private end: usize;
  count: i32 = 0;
  exponent: i32 = 0;

  constructor(start: usize, end: usize) {
    let at = start;
    let fraction = false;
    let explicit: i32 = 0;
    this.start = end;
    for (; at < end; at++) {
      const byte = load<u8>(at);
      if ((byte | 0x20) == 0x65) {
        explicit = parseExponent(at + 1, end);
        break;
      }
      if (byte == 0x2e) {
        fraction = true;
        continue;
      }
      if (fraction) this.exponent--;
      if (this.count == 0 && byte == 0x30) continue;
      if (this.count == 0) this.start = at;
      this.count++;
    }
    this.end = at;
    this.exponent += explicit;
  }

  /** The digits as a large integer. Adjusts the exponent when there are too many to keep. */
  all(): Large {
    const large = new Large();
    let kept: i32 = 0;
    let rest: u32 = 0;
    for (let at = this.start; at < this.end; at++) {
      const byte: u32 = load<u8>(at);
      if (byte == 0x2e) continue;
      if (kept < DIGITS_MAX) large.multiplyAdd(10, byte - 0x30);
      else rest |= byte - 0x30;
      kept++;
    }
    if (kept > DIGITS_MAX) {
      this.exponent += kept - DIGITS_MAX - 1;
      large.multiplyAdd(10, rest == 0 ? 0 : 1);
    }
    return large;
  }
}

/** Bounded, since all beyond leads to zero or infinity: no text is long enough to make up for it. */
function parseExponent(start: usize, end: usize): i32 {
  let at = start;
  const sign = load<u8>(at);
  if (sign == 0x2d || sign == 0x2b) at++;
  let value: i32 = 0;
  for (; at < end; at++) if (value < 100_000_000) value = value * 10 + (<i32>load<u8>(at) - 0x30);
  return sign == 0x2d ? -value : value;
}

function exactPower(exponent: i32): f64 {
  let power: f64 = 1;
  for (let i: i32 = 0; i < exponent; i++) power *= 10;
  return power;
}

/** digits × 10^exponent, for exponents of zero and more. */
function multiply(number: Decimal): f64 {
  const large = number.all();
  large.multiplyPower(number.exponent);
  const bits = large.bitLength();
  if (bits < 64) large.shiftLeft(64 - bits);
  return round(large.top(), large.hasBelowTop(), bits - 64);
}

/** digits / 10^-exponent: long division to 63 or 64 bits, and whether something is left. */
function divide(number: Decimal): f64 {
  const dividend = number.all();
  const divisor = new Large();
  divisor.multiplyAdd(0, 1);
  divisor.multiplyPower(-number.exponent);
  // So that the quotient is in (2^62, 2^64).
  const shift = 63 + divisor.bitLength() - dividend.bitLength();
  divisor.shiftLeft(63 + max(-shift, 0));
  dividend.shiftLeft(max(shift, 0));
  let quotient: u64 = 0;
  for (let i: i32 = 0; i < 64; i++) {
    quotient <<= 1;
    if (dividend.compare(divisor) >= 0) {
      dividend.subtract(divisor);
      quotient |= 1;
    }
    dividend.shiftLeft(1);
  }
  const zeros = <i32>clz(quotient);
  return round(quotient << zeros, dividend.bitLength() > 0, -shift - zeros);
}

/** The f64 nearest to mantissa × 2^exponent, plus a little when `more`. The mantissa has its highest bit set. */
function round(mantissa: u64, more: bool, exponent: i32): f64 {
  const power = exponent + 63;
  if (power > 1023) return Infinity;
  const subnormal = max(-1022 - power, 0);
  const drop: u64 = 11 + subnormal;
  if (drop > 64) return 0;
  const half = (<u64>1) << (drop - 1);
  const low = mantissa & ((half << 1) - 1);
  let kept = drop == 64 ? 0 : mantissa >> drop;
  if (low > half || (low == half && (more || (kept & 1) != 0))) kept++;
  // The highest of 53 bits is not stored; as part of the sum it counts the exponent up by one.
  const biased: u64 = subnormal > 0 ? 0 : power + 1022;
  return reinterpret<f64>((biased << 52) + kept);
}

/** A large unsigned integer, bounded to what is needed here. */
class Large {
  private words: StaticArray<u32> = new StaticArray<u32>(WORDS_MAX);
  /** Words in use; the highest of them is not zero. */
  private count: i32 = 0;

  bitLength(): i32 {
    return this.count == 0 ? 0 : this.count * 32 - <i32>clz(this.words[this.count - 1]);
  }

  /** this × factor + addend. */
  multiplyAdd(factor: u32, addend: u32): void {
    let carry: u64 = addend;
    for (let i: i32 = 0; i < this.count; i++) {
      carry += <u64>this.words[i] * factor;
      this.words[i] = <u32>carry;
      carry >>= 32;
    }
    if (carry != 0) this.words[this.count++] = <u32>carry;
  }

  /** this × 10^power. */
  multiplyPower(power: i32): void {
    let rest = power;
    for (; rest >= 9; rest -= 9) this.multiplyAdd(1_000_000_000, 0);
    for (; rest > 0; rest--) this.multiplyAdd(10, 0);
  }

  shiftLeft(bits: i32): void {
    const words = bits >> 5;
    const shift: u64 = bits & 31;
    if (this.count == 0) return;
    for (let i = this.count - 1; i >= 0; i--) {
      const wide = (<u64>this.words[i]) << shift;
      this.words[i + words + 1] = (i == this.count - 1 ? 0 : this.words[i + words + 1]) | <u32>(wide >> 32);
      this.words[i + words] = <u32>wide;
    }
    for (let i: i32 = 0; i < words; i++) this.words[i] = 0;
    this.count += words + 1;
    this.trim();
  }

  compare(other: Large): i32 {
    if (this.count != other.count) return this.count - other.count;
    for (let i = this.count - 1; i >= 0; i--) {
      if (this.words[i] != other.words[i]) return this.words[i] < other.words[i] ? -1 : 1;
    }
    return 0;
  }

  /** this - other, which must not be larger. */
  subtract(other: Large): void {
    let borrow: i64 = 0;
    for (let i: i32 = 0; i < this.count; i++) {
      borrow += <i64>this.words[i] - (i < other.count ? <i64>other.words[i] : 0);
      this.words[i] = <u32>borrow;
      borrow >>= 32;
    }
    this.trim();
  }

  /** The highest 64 bits. There must be as many. */
  top(): u64 {
    const zeros: u64 = clz(this.words[this.count - 1]);
    const high = ((<u64>this.words[this.count - 1]) << 32) | this.words[this.count - 2];
    if (zeros == 0) return high;
    const next: u64 = this.count > 2 ? this.words[this.count - 3] : 0;
    return (high << zeros) | (next >> (32 - zeros));
  }

  /** A bit below the highest 64 is set. */
  hasBelowTop(): bool {
    const below = this.bitLength() - 64;
    for (let i: i32 = 0; i < below >> 5; i++) if (this.words[i] != 0) return true;
    const rest: u32 = below & 31;
    return rest != 0 && (this.words[below >> 5] & ((1 << rest) - 1)) != 0;
  }

  private trim(): void {
    while (this.count > 0 && this.words[this.count - 1] == 0) this.count--;
  }
}
