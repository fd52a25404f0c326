// Mixes two stereo tracks of 8,192 f32 samples with gains, and finds the peak: 16 bytes an access.

const BYTES: usize = 32768;
const first = memory.data(32768, 16);
const second = memory.data(32768, 16);
const mixed = memory.data(32768, 16);

export function setup(): void {
  for (let i: usize = 0; i < BYTES; i += 4) {
    store<f32>(first + i, <f32>(<i32>((i * 37) % 4001) - 2000) / 2048);
    store<f32>(second + i, <f32>(<i32>((i * 53) % 3989) - 1994) / 2048);
  }
}

export function run(): i32 {
  const gainFirst = f32x4.splat(0.75);
  const gainSecond = f32x4.splat(0.5);
  let peak = f32x4.splat(0);
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < BYTES; i += 16) {
    const left = f32x4.mul(v128.load(first + i), gainFirst);
    const right = f32x4.mul(v128.load(second + i), gainSecond);
    const sample = f32x4.add(left, right);
    v128.store(mixed + i, sample);
    peak = f32x4.max(peak, f32x4.abs(sample));
  }
  for (let i: usize = 0; i < BYTES; i += 256) sum = f32x4.add(sum, v128.load(mixed + i));
  return (
    reinterpret<i32>(f32x4.extract_lane(peak, 0)) ^
    reinterpret<i32>(f32x4.extract_lane(peak, 3)) ^
    reinterpret<i32>(f32x4.extract_lane(sum, 1))
  );
}
