/** What a function may ask for itself: the ArgBuf part of the function ABI (docs/abi.md), and the check of a pointer. */
import {
  FUNCTION_CHUNK_SHIFT,
  FUNCTION_HEADER_SIZE,
  FUNCTION_MAP_OFFSET,
  FUNCTION_MEMORY_LIMIT,
  HOME_FUNCTION,
} from './layout';
import { BAD_POINTER, STALE_PD } from './status';
import { checkDeadline, failed, mapVma, mayAsk, vmaAllows } from './vma-table';

/** An ArgBuf of exactly this many bytes, all zero. */
export function argBufNew(length: u32, asker: u32): u32 {
  if (!mayAsk(asker)) return STALE_PD;
  checkDeadline(asker);
  const address = mapVma(asker, length);
  if (failed(address)) return address;
  if (length <= 256) {
    // Classes are 128 bytes at least, so whole blocks of 16 stay inside.
    for (let i: u32 = 0; i < length; i += 16) v128.store(address + i, i64x2.splat(0));
  } else {
    memory.fill(address, 0, length);
  }
  return address;
}

/**
 * Where bytes that a function names are in the address space: for the host, which reads or writes them on its behalf.
 * The same answer as the guard's; a range to be written in the home is marked dirty. Returns the address or BAD_POINTER.
 */
export function translate(pointer: u32, length: u32, write: bool, asker: u32): u32 {
  if (!mayAsk(asker)) return BAD_POINTER;
  checkDeadline(asker);
  const descriptor = load<u32>(asker, HOME_FUNCTION);
  const limit: u32 = descriptor == 0 ? 0 : load<u32>(descriptor, FUNCTION_MEMORY_LIMIT);
  if (pointer <= limit && length <= limit - pointer) {
    if (write && length != 0) mark(asker, descriptor, pointer, length);
    return asker + load<u32>(descriptor, FUNCTION_HEADER_SIZE) + pointer;
  }
  return vmaAllows(asker, pointer, length, write) ? pointer : BAD_POINTER;
}

function mark(base: u32, descriptor: u32, pointer: u32, length: u32): void {
  const shift = load<u32>(descriptor, FUNCTION_CHUNK_SHIFT);
  const first = pointer >>> shift;
  const last = (pointer + length - 1) >>> shift;
  memory.fill(base + load<u32>(descriptor, FUNCTION_MAP_OFFSET) + first, 1, last - first + 1);
}
