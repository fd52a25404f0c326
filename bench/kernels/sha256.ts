// SHA-256 (FIPS 180-4) of 16 KiB: 32-bit arithmetic over a small table and a message schedule in memory.

export { setup, run } from './argbuf-sha256';
