/**
 * The kernels in bench/kernels: small AssemblyScript programs that each stress one way of using memory. Every one
 * exports `setup()`, called once, and `run()`, which does its work once and returns a checksum, the same at every call.
 */
import { createHash } from 'node:crypto';
import type { Guest, MakeImports } from '../harness/guest.ts';

const LCG_FACTOR = 1664525;
const LCG_INCREMENT = 1013904223;

function sha256(): number {
  const input = Uint8Array.from({ length: 16384 }, (_, index) => index * 7 + (index >> 8));
  const digest = createHash('sha256').update(input).digest();
  return digest.readInt32BE(0) ^ digest.readInt32BE(28);
}

function quicksort(): number {
  let x = 12345;
  const values = Int32Array.from({ length: 8192 }, () => {
    x = (Math.imul(x, LCG_FACTOR) + LCG_INCREMENT) | 0;
    return x;
  }).sort();
  return values.subarray(1).reduce((sum, value) => (Math.imul(sum, 31) + value) | 0, 0);
}

function matrix(): number {
  const size = 64;
  const a = Array.from({ length: size * size }, (_, index) => ((index * 7 + 3) % 101) - 50);
  const b = Array.from({ length: size * size }, (_, index) => ((index * 13 + 5) % 103) - 51);
  const cell = (row: number, column: number): number => {
    let sum = 0;
    for (let k = 0; k < size; k++) sum += (a[row * size + k] ?? 0) * (b[k * size + column] ?? 0);
    return sum;
  };
  let sum = 0;
  for (let index = 0; index < size; index++) sum += cell(index, index) + cell(index, 0) * 3;
  return sum;
}

function sieve(): number {
  let count = 0;
  for (let candidate = 2; candidate < 65536; candidate++) {
    let divisor = 2;
    while (divisor * divisor <= candidate && candidate % divisor !== 0) divisor++;
    if (divisor * divisor > candidate) count++;
  }
  return count;
}

/** The checksum of each kernel, computed another way where there is a short one. */
export const KERNELS: Readonly<Record<string, (() => number) | undefined>> = {
  sha256,
  quicksort,
  matrix,
  'xor-copy': undefined,
  'hash-table': undefined,
  'pointer-chase': undefined,
  'binary-tree': undefined,
  tokenizer: undefined,
  'string-format': undefined,
  sieve,
  'n-body': undefined,
  'simd-mix': undefined,
  'bulk-copy': undefined,
};

export interface ArgBufKernel {
  /** Its file in bench/kernels, without `.ts`. */
  readonly source: string;
  /** Bytes of the ArgBufs that `place` takes, exactly as many as are used. */
  readonly lengths: readonly number[];
  /** Once `setup` has filled them, the kernel owns them no more: it has grants to read them. */
  readonly shared?: boolean;
  /** The checksum, where it is known. */
  readonly expected?: () => number;
}

/**
 * Kernels whose data lies in ArgBufs: `place(address, …)`, called before `setup()`, says in which. Where it is not
 * called, the data lies in their own memory.
 */
export const ARGBUF_KERNELS: Readonly<Record<string, ArgBufKernel>> = {
  'argbuf-tokenizer': { source: 'argbuf-tokenizer', lengths: [28438] },
  'argbuf-xor-copy': { source: 'argbuf-xor-copy', lengths: [65536, 65536] },
  'argbuf-sha256': { source: 'argbuf-sha256', lengths: [16384 + 64], expected: sha256 },
  'argbuf-quicksort': { source: 'argbuf-quicksort', lengths: [32768], expected: quicksort },
  'argbuf-records': { source: 'argbuf-records', lengths: [32768] },
  'argbuf-shared-scan': { source: 'argbuf-tokenizer', lengths: [28438], shared: true },
};

export const kernelImports: MakeImports = () => ({ functions: new Map(), memoryExport: 'memory' });

/** Returns the kernel's `run`. */
export function startKernel(guest: Guest): () => number {
  guest.function('setup')();
  return guest.function('run');
}

/** The same with the kernel's data in ArgBufs, if the guest can have any. */
export function startArgBufKernel(guest: Guest, { lengths, shared = false }: ArgBufKernel): () => number {
  const { argBufs } = guest;
  if (argBufs === undefined) return startKernel(guest);
  const addresses = lengths.map(argBufs.create);
  guest.function('place')(...addresses);
  const run = startKernel(guest);
  if (shared) addresses.forEach(argBufs.share);
  return run;
}
