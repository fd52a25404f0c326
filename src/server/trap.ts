/** A trap of WebAssembly on demand: an error that no handler of a function sees, unlike any that JavaScript can make. */

/** (module (func (export "t") unreachable)) */
const MODULE = Uint8Array.of(
  ...[
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 0x74, 0, 0, 10, 5, 1, 3, 0, 0, 0x0b,
  ],
);

/** The error of a trap, to be thrown, or to reject a promise with, for which a function waits. */
export function makeTrap(): unknown {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(MODULE));
  try {
    (exports['t'] as () => void)();
  } catch (error) {
    return error;
  }
  throw new Error('unreachable was reached');
}
