/**
 * What QuickJS runs: JavaScript sources, each of which defines `run()`, which computes a 32-bit integer, the same at
 * every call. V8 runs them too: that is how the results are checked.
 */

const HASH = `
function hash(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return h;
}
`;

const RANDOM = `
let seed;
function random() {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return seed >>> 8;
}
`;

export const SCRIPTS: Readonly<Record<string, string>> = {
  recursion: `
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
function run() { return fib(17); }
`,

  properties: `
class Point {
  constructor(x, y) { this.x = x; this.y = y; }
  add(other) { return new Point(this.x + other.x, this.y + other.y); }
  get sum() { return this.x + this.y; }
}
function run() {
  const step = new Point(1, 2);
  let at = new Point(0, 0);
  const seen = { count: 0, total: 0 };
  for (let i = 0; i < 2000; i++) {
    at = at.add(step);
    seen.count++;
    seen.total = (seen.total + at.sum) | 0;
  }
  return seen.total + seen.count;
}
`,

  sorting: `
${RANDOM}
function run() {
  seed = 42;
  const rows = [];
  for (let i = 0; i < 500; i++) rows.push({ key: random() % 1000, index: i });
  rows.sort((a, b) => a.key - b.key || a.index - b.index);
  let h = 0;
  for (const { key, index } of rows) h = (Math.imul(h, 31) + key * 7 + index) | 0;
  return h;
}
`,

  json: `
${HASH}
const orders = [];
for (let i = 0; i < 40; i++) {
  orders.push({ id: i, customer: "Müller & " + i, paid: i % 3 === 0, items: [{ sku: "A" + i, price: i * 1.5 }, null] });
}
const source = JSON.stringify({ orders });
function run() {
  const parsed = JSON.parse(source);
  for (const order of parsed.orders) order.total = order.items[0].price * 2;
  return hash(JSON.stringify(parsed));
}
`,

  strings: `
${HASH}
function run() {
  let text = "";
  for (let i = 0; i < 300; i++) text += "line " + i + ": " + (i * 7919).toString(36) + "\\n";
  const words = text.split("\\n").map((line) => line.trim().toUpperCase().slice(2, 20));
  return hash(words.reverse().join("; ").padStart(20));
}
`,

  regexp: `
const log = [];
for (let i = 0; i < 60; i++) {
  log.push("2026-0" + (1 + i % 9) + "-1" + i % 10 + " GET /shop/item/" + i * 17 + "?page=" + i + " " + (i % 7 ? 200 : 404));
}
const text = log.join("\\n");
function run() {
  let sum = 0;
  for (const match of text.matchAll(/^(\\d{4})-(\\d\\d)-(\\d\\d) GET \\/shop\\/(?:item|cart)\\/(\\d+)\\?page=(\\d+) (200|404)$/gm)) {
    sum = (Math.imul(sum, 31) + Number(match[4]) + Number(match[5]) * 3 + Number(match[6])) | 0;
  }
  return sum + text.replace(/[aeiou]/g, "").length;
}
`,

  collections: `
${RANDOM}
function run() {
  seed = 7;
  const counts = new Map();
  const seen = new Set();
  for (let i = 0; i < 1200; i++) {
    const word = "w" + random() % 200;
    counts.set(word, (counts.get(word) ?? 0) + 1);
    seen.add(random() % 500);
  }
  let h = seen.size;
  for (const [word, count] of [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))) {
    h = (Math.imul(h, 31) + count + word.length) | 0;
  }
  return h;
}
`,
};
