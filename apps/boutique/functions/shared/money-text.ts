/** Amounts as people read them: `$19.99`, `¥1234`. */
import { TextWriter } from 'jord';
import { Money, NANOS_PER_UNIT } from './wire';

/** Writes an amount with its symbol, half a unit of the last digit rounded up. */
export function writeMoney(out: TextWriter, money: Money): void {
  writeSymbol(out, money.currency);
  const hasCents = !isWhole(money.currency);
  const scale: i64 = hasCents ? 100 : 1;
  const step = NANOS_PER_UNIT / scale;
  const total = money.units * scale + (money.nanos + step / 2) / step;
  out.integer(total / scale);
  if (!hasCents) return;
  const cents = <i32>(total % scale);
  out
    .byte(0x2e)
    .byte(<u8>(0x30 + cents / 10))
    .byte(<u8>(0x30 + (cents % 10)));
}

/** Currencies without a smaller unit (ISO 4217): JPY, KRW, ISK. */
function isWhole(currency: u32): bool {
  return currency == 0x0059_504a || currency == 0x0057_524b || currency == 0x004b_5349;
}

function writeSymbol(out: TextWriter, currency: u32): void {
  if (currency == 0x0044_5355)
    out.byte(0x24); // USD
  else if (currency == 0x0052_5545)
    out.codePoint(0x20ac); // EUR
  else if (currency == 0x0050_4247)
    out.codePoint(0xa3); // GBP
  else if (currency == 0x0059_504a)
    out.codePoint(0xa5); // JPY
  else if (currency == 0x0059_5254)
    out.codePoint(0x20ba); // TRY
  else if (currency == 0x0044_4143) out.text('CA$');
  else writeCode(out, currency).byte(0x20);
}

/** The three letters of a currency. */
export function writeCode(out: TextWriter, currency: u32): TextWriter {
  return out
    .byte(<u8>currency)
    .byte(<u8>(currency >> 8))
    .byte(<u8>(currency >> 16));
}
