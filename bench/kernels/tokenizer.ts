// Scans about 28 KB of JSON byte by byte into tokens: strings are hashed, numbers are parsed, nesting is counted.

export { setup, run } from './argbuf-tokenizer';
