// Product of two 64 × 64 matrices of f64, the plain three loops.

const SIZE: i32 = 64;
const a = memory.data(32768, 16);
const b = memory.data(32768, 16);
const c = memory.data(32768, 16);

function at(matrix: usize, row: i32, column: i32): usize {
  return matrix + ((<usize>(row * SIZE + column)) << 3);
}

export function setup(): void {
  for (let i = 0; i < SIZE * SIZE; i++) {
    store<f64>(at(a, 0, i), <f64>((i * 7 + 3) % 101) - 50);
    store<f64>(at(b, 0, i), <f64>((i * 13 + 5) % 103) - 51);
  }
}

export function run(): i32 {
  for (let row = 0; row < SIZE; row++) {
    for (let column = 0; column < SIZE; column++) {
      let sum: f64 = 0;
      for (let k = 0; k < SIZE; k++) sum += load<f64>(at(a, row, k)) * load<f64>(at(b, k, column));
      store<f64>(at(c, row, column), sum);
    }
  }
  let sum: f64 = 0;
  for (let i = 0; i < SIZE; i++) sum += load<f64>(at(c, i, i)) + load<f64>(at(c, i, 0)) * 3;
  return <i32>sum;
}
