/** The page that PrivLib's kvList makes: docs/abi.md. */
import {
  PAGE_COUNT,
  PAGE_FIRST,
  PAGE_KEY,
  PAGE_KEY_LENGTH,
  PAGE_KEY_TTL_MS,
  PAGE_KEY_VALUE_LENGTH,
  PAGE_KEY_VERSION,
  PAGE_MORE,
} from '../../../core/layout.ts';
import type { KvKey, KvPage } from './types.ts';

const ALIGNMENT = 8;

/** Copies what is in a page out of the address space. */
export function decodePage(bytes: Uint8Array, address: number, length: number): KvPage {
  const view = new DataView(bytes.buffer, bytes.byteOffset + address, length);
  const count = view.getUint32(PAGE_COUNT, true);
  const more = view.getUint32(PAGE_MORE, true) !== 0;
  const keys: KvKey[] = [];
  let at = PAGE_FIRST;
  for (let i = 0; i < count; i++) {
    const ttlMs = Number(view.getBigUint64(at + PAGE_KEY_TTL_MS, true));
    const keyAt = address + at + PAGE_KEY;
    const keyLength = view.getUint32(at + PAGE_KEY_LENGTH, true);
    keys.push({
      key: bytes.slice(keyAt, keyAt + keyLength),
      version: view.getBigUint64(at + PAGE_KEY_VERSION, true),
      sizeBytes: view.getUint32(at + PAGE_KEY_VALUE_LENGTH, true),
      ttlMs: ttlMs === 0 ? null : ttlMs,
    });
    at += PAGE_KEY + Math.ceil(keyLength / ALIGNMENT) * ALIGNMENT;
  }
  return { keys, more };
}
