// Scans about 28 KB of JSON byte by byte into tokens: strings are hashed, numbers are parsed, nesting is counted.
// The text lies where `place` says; in tokenizer.ts, which has no `place`, at a constant address of its own.

let text: usize = memory.data(65536);
let end: usize = 0;

export function place(request: usize): void {
  text = request;
}

function put(string: string): void {
  for (let i = 0; i < string.length; i++) store<u8>(end++, string.charCodeAt(i));
}

export function setup(): void {
  end = text;
  put('[');
  for (let i = 0; i < 256; i++) {
    if (i) put(', ');
    put(`{"id": ${i.toString()}, "name": "customer \\"${(i * 7919).toString(36)}\\"", `);
    put(`"balance": -${(i * 37).toString()}.${((i % 90) + 10).toString()}, "active": `);
    put(i & 1 ? 'true' : 'false');
    put(', "tags": ["a", "bc", null, 1e3]}');
  }
  put(']\n');
}

let position: usize = 0;

function scanString(): u32 {
  let hash: u32 = 2166136261;
  while (true) {
    let byte: u32 = load<u8>(position++);
    if (byte === 0x22) return hash;
    if (byte === 0x5c) byte = load<u8>(position++);
    hash = (hash ^ byte) * 16777619;
  }
}

function scanNumber(first: u32): u32 {
  let value: u32 = first === 0x2d ? 0 : first - 0x30;
  while (true) {
    const byte: u32 = load<u8>(position);
    if (byte >= 0x30 && byte <= 0x39) value = value * 10 + byte - 0x30;
    else if (byte !== 0x2e && byte !== 0x65 && byte !== 0x2d && byte !== 0x2b) return value;
    position++;
  }
}

function scanWord(): u32 {
  let value: u32 = 0;
  while (load<u8>(position) >= 0x61 && load<u8>(position) <= 0x7a) value = value * 26 + load<u8>(position++);
  return value;
}

export function run(): i32 {
  position = text;
  let sum: u32 = 0;
  let depth: u32 = 0;
  while (position < end) {
    const byte: u32 = load<u8>(position++);
    let token: u32 = 0;
    switch (byte) {
      case 0x20:
      case 0x0a:
        continue;
      case 0x5b:
      case 0x7b:
        token = ++depth;
        break;
      case 0x5d:
      case 0x7d:
        token = depth--;
        break;
      case 0x2c:
      case 0x3a:
        token = byte;
        break;
      case 0x22:
        token = scanString();
        break;
      default:
        token = byte === 0x2d || byte <= 0x39 ? scanNumber(byte) : scanWord();
    }
    sum = sum * 31 + token;
  }
  return depth === 0 ? sum : 0;
}
