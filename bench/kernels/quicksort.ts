// Quicksort of 8,192 32-bit integers in a pseudo-random order, with insertion sort for short ranges.

export { setup, run } from './argbuf-quicksort';
