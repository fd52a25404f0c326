/** HMAC with SHA-256 (RFC 2104), and the base64 of URLs (RFC 4648) without padding, as tokens have it. */
import { View } from 'jord';
import { SHA256_LENGTH, sha256 } from './sha256';

const BLOCK_LENGTH: usize = 64;

/** 32 bytes, written at an address. `key` has 64 bytes at most. */
export function hmacSha256(key: View, message: View, digest: usize): void {
  if (<usize>key.length > BLOCK_LENGTH) throw new RangeError('a key has at most 64 bytes');
  const padded = heap.alloc(BLOCK_LENGTH);
  const inner = heap.alloc(SHA256_LENGTH);
  pad(key, 0x36, padded);
  sha256(new View(padded, <i32>BLOCK_LENGTH), message, inner);
  pad(key, 0x5c, padded);
  sha256(new View(padded, <i32>BLOCK_LENGTH), new View(inner, SHA256_LENGTH), digest);
}

function pad(key: View, byte: u8, padded: usize): void {
  memory.fill(padded, byte, BLOCK_LENGTH);
  for (let i = 0; i < key.length; i++) store<u8>(padded + <usize>i, key[i] ^ byte);
}

const LETTERS: string = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Writes four letters for each three bytes, less at the end; returns the address behind them. */
export function writeBase64Url(bytes: View, pointer: usize): usize {
  let to = pointer;
  for (let at = 0; at < bytes.length; at += 3) {
    const count = min(bytes.length - at, 3);
    let bits: u32 = 0;
    for (let i = 0; i < 3; i++) bits = (bits << 8) | (i < count ? bytes[at + i] : 0);
    for (let i = 0; i <= count; i++) store<u8>(to++, <u8>LETTERS.charCodeAt((bits >> (18 - 6 * i)) & 63));
  }
  return to;
}

/** How many letters that many bytes are. */
export function base64UrlLength(byteCount: i32): i32 {
  return (byteCount * 4 + 2) / 3;
}
