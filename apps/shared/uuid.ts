/** Version 4 of RFC 9562: 122 random bits. */
import { random, View } from 'jord';

export const UUID_LENGTH: i32 = 36;

/** Writes 36 characters at an address. */
export function writeUuid(pointer: usize): void {
  const bits = memory.data(16);
  random.fill(new View(bits, 16));
  store<u8>(bits, (load<u8>(bits, 6) & 0x0f) | 0x40, 6);
  store<u8>(bits, (load<u8>(bits, 8) & 0x3f) | 0x80, 8);
  let to = pointer;
  for (let i: usize = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) store<u8>(to++, 0x2d);
    const byte = load<u8>(bits + i);
    store<u8>(to++, hexDigit(byte >> 4));
    store<u8>(to++, hexDigit(byte & 15));
  }
}

function hexDigit(value: u8): u8 {
  return value < 10 ? 0x30 + value : 0x57 + value;
}
