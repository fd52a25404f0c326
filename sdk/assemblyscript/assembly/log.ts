import * as abi from './jord';
import { writeUtf8 } from './utf8';

/** Lines in the server's log, each with the name of the function. `import { log }`, then `log.info("ready")`. */

export function debug(text: string): void {
  write(0, text);
}

export function info(text: string): void {
  write(1, text);
}

export function warn(text: string): void {
  write(2, text);
}

export function error(text: string): void {
  write(3, text);
}

function write(level: i32, text: string): void {
  const line = heap.alloc(<usize>text.length * 3 + 1);
  abi.log(level, line, <i32>(writeUtf8(text, line) - line));
  heap.free(line);
}
