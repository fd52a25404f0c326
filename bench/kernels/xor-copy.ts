// Copies 64 KiB byte by byte, each byte xored with a key: nothing but a load and a store.

export { setup, run } from './argbuf-xor-copy';
