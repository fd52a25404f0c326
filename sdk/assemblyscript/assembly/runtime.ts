/** What the compiler asks of its host, put on the ABI: `--use` makes these stand for `abort`, `trace`, `seed`, `console`. */

import { writeDigits } from './failure';
import * as abi from './jord';
import * as log from './log';
import { random } from './system';
import { writeUtf8 } from './utf8';

/** Ends the function: `throw`, a failed `assert`, a bad index. The place is logged, then it traps. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const about = message == null ? 'aborted' : message;
  const place = file == null ? '' : file;
  const text = heap.alloc(<usize>(about.length + place.length) * 3 + 30);
  let end = writeUtf8(about, text);
  end = writeUtf8(' at ', end);
  end = writeUtf8(place, end);
  store<u8>(end, 0x3a);
  end = writeDigits(line, end + 1);
  store<u8>(end, 0x3a);
  end = writeDigits(column, end + 1);
  abi.log(3, text, <i32>(end - text));
  unreachable();
}

export function trace(
  message: string,
  count: i32 = 0,
  a0: f64 = 0,
  a1: f64 = 0,
  a2: f64 = 0,
  a3: f64 = 0,
  a4: f64 = 0,
): void {
  let line = message;
  if (count > 0) line += ` ${a0}`;
  if (count > 1) line += ` ${a1}`;
  if (count > 2) line += ` ${a2}`;
  if (count > 3) line += ` ${a3}`;
  if (count > 4) line += ` ${a4}`;
  log.debug(line);
}

/** What Math.random() starts from. */
export function seed(): f64 {
  return reinterpret<f64>(random.u64());
}

/** The part of `console` that makes lines; they go to the server's log. */
export abstract class console {
  static assert<T>(condition: T, message: string = ''): void {
    if (!condition) log.error(`Assertion failed: ${message}`);
  }

  static log(message: string = ''): void {
    log.info(message);
  }

  static debug(message: string = ''): void {
    log.debug(message);
  }

  static info(message: string = ''): void {
    log.info(message);
  }

  static warn(message: string = ''): void {
    log.warn(message);
  }

  static error(message: string = ''): void {
    log.error(message);
  }
}
