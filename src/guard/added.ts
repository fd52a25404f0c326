/** Places of the functions that the guard adds behind the module's own, counted from the first of them. */
export const ADDED_CHECK_READ = 0;
export const ADDED_CHECK_WRITE = 1;
export const ADDED_LOOK_UP_READ = 2;
export const ADDED_LOOK_UP_WRITE = 3;
export const ADDED_REFUSE = 4;
export const ADDED_READABLE_END = 5;
export const ADDED_WRITABLE_END = 6;
export const ADDED_READ_RANGE = 7;
export const ADDED_WRITE_RANGE = 8;
export const ADDED_COPY = 9;
export const ADDED_FILL = 10;
export const ADDED_GROW = 11;
export const ADDED_INTERRUPTED = 12;
export const ADDED_FIND_READ = 13;
export const ADDED_FIND_WRITE = 14;
/** One for each data segment from here on, and `jord:init` behind them. */
export const ADDED_INIT_SEGMENT = 15;
