// Books 4,096 amounts on 1,024 accounts of 32 bytes, field by field, with a call through a table for each.
// The accounts lie where `place` says.

@unmanaged
class Account {
  number: u32;
  kind: u32;
  opening: i32;
  balance: i32;
  limit: i32;
  fees: u32;
  bookings: u32;
  refused: u32;
}

const COUNT: u32 = 1024;
const BOOKINGS: i32 = 4096;
let accounts: usize = memory.data(32768);

export function place(request: usize): void {
  accounts = request;
}

function account(index: u32): Account {
  return changetype<Account>(accounts + <usize>index * offsetof<Account>());
}

export function setup(): void {
  for (let i: u32 = 0; i < COUNT; i++) {
    const at = account(i);
    at.number = i * 7919 + 100000;
    at.kind = i % 3;
    at.opening = (i * 37) % 1000;
    at.limit = -((i * 53) % 500);
  }
}

function bookCurrent(at: Account, amount: i32): void {
  at.balance += amount;
  at.bookings++;
  if (at.balance < at.limit) at.fees += 5;
}

function bookSavings(at: Account, amount: i32): void {
  if (at.balance + amount < 0) {
    at.refused++;
    return;
  }
  at.balance += amount;
  at.bookings++;
}

function bookLoan(at: Account, amount: i32): void {
  const fee = amount >> 4;
  at.balance -= amount;
  at.fees += fee & 7;
  at.bookings++;
}

const book: StaticArray<(at: Account, amount: i32) => void> = [bookCurrent, bookSavings, bookLoan];

export function run(): i32 {
  for (let i: u32 = 0; i < COUNT; i++) {
    const at = account(i);
    at.balance = at.opening;
    at.fees = 0;
    at.bookings = 0;
    at.refused = 0;
  }
  let x: u32 = 5;
  let sum: u32 = 0;
  for (let i = 0; i < BOOKINGS; i++) {
    x = x * 1664525 + 1013904223;
    const at = account((x >> 8) % COUNT);
    unchecked(book[at.kind])(at, <i32>(x >> 22) - 512);
    sum = sum * 31 + at.number + at.balance + at.fees * 3 + at.bookings * 5 + at.refused * 7;
  }
  return sum;
}
