/** The page that PrivLib's kvList makes: docs/abi.md. */
import type { KvKey, KvPage } from './types.ts';

const HEAD_BYTES = 8;
const KEY_HEAD_BYTES = 24;
const ALIGNMENT = 8;

/** Copies what is in a page out of the address space. */
export function decodePage(bytes: Uint8Array, address: number, length: number): KvPage {
  const view = new DataView(bytes.buffer, bytes.byteOffset + address, length);
  const count = view.getUint32(0, true);
  const more = view.getUint32(4, true) !== 0;
  const keys: KvKey[] = [];
  let at = HEAD_BYTES;
  for (let i = 0; i < count; i++) {
    const ttlMs = Number(view.getBigUint64(at + 8, true));
    const keyAt = address + at + KEY_HEAD_BYTES;
    const keyLength = view.getUint32(at + 20, true);
    keys.push({
      key: bytes.slice(keyAt, keyAt + keyLength),
      version: view.getBigUint64(at, true),
      sizeBytes: view.getUint32(at + 16, true),
      ttlMs: ttlMs === 0 ? null : ttlMs,
    });
    at += KEY_HEAD_BYTES + Math.ceil(keyLength / ALIGNMENT) * ALIGNMENT;
  }
  return { keys, more };
}
