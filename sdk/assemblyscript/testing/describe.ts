import { Response, Result, TextWriter } from 'jord';

/** All that there is of a result, in one line. */
export function describe(result: Result): Response {
  return write(new TextWriter(), result).response();
}

/** The same into a longer text. */
export function write(out: TextWriter, result: Result): TextWriter {
  out
    .integer(result.status)
    .byte(0x20)
    .text(result.statusName)
    .byte(0x20)
    .integer(<i32>result.ok)
    .byte(0x20);
  return out.integer(result.response.length).byte(0x20).bytes(result.response);
}
