/**
 * Charges a card, which nobody is there to do: checks the number (Luhn, ISO/IEC 7812), that it is of a kind that is taken
 * (Visa or Mastercard), and that it has not expired; then the charge has an id. The messages are in shared/wire.ts.
 */
import { ArgBuf, Request, Response, time, View } from 'jord';
import { UUID_LENGTH, writeUuid } from '../../shared/uuid';
import { MONEY_SIZE, Outcome, PAYMENT_HEADER } from './shared/wire';

const MONTH: i32 = MONEY_SIZE;
const YEAR: i32 = MONEY_SIZE + 4;
const DIGITS_MIN: i32 = 12;
const DIGITS_MAX: i32 = 19;

export function handle(request: Request): Response {
  const outcome = check(request.slice(PAYMENT_HEADER), request.load<u32>(MONTH), request.load<u32>(YEAR));
  const message = new ArgBuf(4 + UUID_LENGTH);
  message.store<u32>(0, outcome);
  if (outcome == Outcome.OK) writeUuid(message.pointer + 4);
  else message.resize(4);
  return new Response(message);
}

function check(number: View, month: u32, year: u32): u32 {
  const digits = memory.data(DIGITS_MAX);
  const count = digitsOf(number, digits);
  if (count < DIGITS_MIN || !passesLuhn(digits, count)) return Outcome.CARD_INVALID;
  if (!isVisa(digits, count) && !isMastercard(digits, count)) return Outcome.CARD_NOT_ACCEPTED;
  return year * 12 + month < monthNow() ? Outcome.CARD_EXPIRED : Outcome.OK;
}

/** Writes the digits, one a byte, without spaces and hyphens between them; -1 when there is anything else, or too much. */
function digitsOf(number: View, digits: usize): i32 {
  let count = 0;
  for (let i = 0; i < number.length; i++) {
    const byte = number[i];
    if (byte == 0x20 || byte == 0x2d) continue;
    if (byte < 0x30 || byte > 0x39 || count == DIGITS_MAX) return -1;
    store<u8>(digits + <usize>count, byte - 0x30);
    count++;
  }
  return count;
}

/** Every second digit from the right is doubled, the digits of all are added up: a multiple of ten. */
function passesLuhn(digits: usize, count: i32): bool {
  let sum: u32 = 0;
  let isDoubled = false;
  for (let i = count - 1; i >= 0; i--) {
    const digit: u32 = load<u8>(digits + <usize>i);
    const doubled = digit * 2;
    sum += isDoubled ? (doubled > 9 ? doubled - 9 : doubled) : digit;
    isDoubled = !isDoubled;
  }
  return sum % 10 == 0;
}

function isVisa(digits: usize, count: i32): bool {
  return load<u8>(digits) == 4 && (count == 13 || count == 16 || count == 19);
}

/** 51 to 55, and 2221 to 2720. */
function isMastercard(digits: usize, count: i32): bool {
  if (count != 16) return false;
  let prefix: u32 = 0;
  for (let i: usize = 0; i < 4; i++) prefix = prefix * 10 + load<u8>(digits + i);
  return (prefix >= 5100 && prefix < 5600) || (prefix >= 2221 && prefix <= 2720);
}

/** Months since the year 0, in UTC; January is 1. A card is good to the end of its month. */
function monthNow(): u32 {
  // Howard Hinnant's way from days to a date: years begin in March, eras have 400 of them.
  const days = <i32>(time() / 86_400_000) + 719_468;
  const dayOfEra = days % 146_097;
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const monthFromMarch = (5 * dayOfYear + 2) / 153;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = (days / 146_097) * 400 + yearOfEra + (month <= 2 ? 1 : 0);
  return <u32>(year * 12 + month);
}
