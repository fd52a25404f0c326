import * as abi from './jord';
import { writeUtf8 } from './utf8';

/** Writes a number in decimal digits and returns the address behind it: at most 20 bytes. */
export function writeDigits(value: u64, pointer: usize): usize {
  let end = pointer + 1;
  for (let rest = value; rest >= 10; rest /= 10) end++;
  let rest = value;
  for (let to = end; to > pointer; ) {
    store<u8>(--to, <u8>(0x30 + <u32>(rest % 10)));
    rest /= 10;
  }
  return end;
}

/** Ends the function because the host refused something: a log line with the status, then a trap. */
export function refused(what: string, status: i32): void {
  const line = heap.alloc(<usize>what.length * 3 + 30);
  let end = writeUtf8(what, line);
  end = writeUtf8(': status ', end);
  end = writeDigits(status, end);
  abi.log(3, line, <i32>(end - line));
  unreachable();
}
