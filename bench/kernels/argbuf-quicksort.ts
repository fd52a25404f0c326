// Quicksort of 8,192 32-bit integers in a pseudo-random order, with insertion sort for short ranges.
// The integers lie where `place` says; in quicksort.ts, which has no `place`, at a constant address of its own.

const COUNT: i32 = 8192;
const source = memory.data(32768);
let values: usize = memory.data(32768);

export function place(request: usize): void {
  values = request;
}

function get(index: i32): i32 {
  return load<i32>(values + ((<usize>index) << 2));
}

function set(index: i32, value: i32): void {
  store<i32>(values + ((<usize>index) << 2), value);
}

export function setup(): void {
  let x: u32 = 12345;
  for (let i = 0; i < COUNT; i++) {
    x = x * 1664525 + 1013904223;
    store<u32>(source + ((<usize>i) << 2), x);
  }
}

function insertionSort(low: i32, high: i32): void {
  for (let i = low + 1; i <= high; i++) {
    const value = get(i);
    let j = i - 1;
    while (j >= low && get(j) > value) {
      set(j + 1, get(j));
      j--;
    }
    set(j + 1, value);
  }
}

function quicksort(first: i32, last: i32): void {
  let low = first;
  while (last - low > 12) {
    const pivot = get((low + last) >>> 1);
    let i = low;
    let j = last;
    while (i <= j) {
      while (get(i) < pivot) i++;
      while (get(j) > pivot) j--;
      if (i <= j) {
        const swapped = get(i);
        set(i, get(j));
        set(j, swapped);
        i++;
        j--;
      }
    }
    quicksort(low, j);
    low = i;
  }
  insertionSort(low, last);
}

/** 0 when the result is not sorted. */
export function run(): i32 {
  for (let i = 0; i < COUNT; i++) set(i, load<i32>(source + ((<usize>i) << 2)));
  quicksort(0, COUNT - 1);
  let sum = 0;
  for (let i = 1; i < COUNT; i++) {
    if (get(i - 1) > get(i)) return 0;
    sum = sum * 31 + get(i);
  }
  return sum;
}
