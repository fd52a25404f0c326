/** Dates as days since 1970-01-01, by the Gregorian calendar. */
import { View } from 'jord';

/** The day of a date such as `2027-03-14`; -1 when it is none. */
export function dayOf(text: View): i32 {
  if (text.length != 10 || text[4] != 0x2d || text[7] != 0x2d) return -1;
  const year = number(text.pointer, 4);
  const month = number(text.pointer + 5, 2);
  const day = number(text.pointer + 8, 2);
  if (year < 1970 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return -1;
  // Years begin in March here, so that the leap day is the last one.
  const y = month <= 2 ? year - 1 : year;
  const m = month <= 2 ? month + 9 : month - 3;
  return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
}

/** The number of `length` digits, or a negative one when they are none. */
function number(pointer: usize, length: i32): i32 {
  let value: i32 = 0;
  for (let i = 0; i < length; i++) {
    const digit = <i32>load<u8>(pointer + <usize>i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function daysIn(year: i32, month: i32): i32 {
  if (month == 2) return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}
