// A program of about 100 KB, for measuring how long a module of that size takes to deploy: it uses most of
// AssemblyScript's standard library. `run` computes a checksum with all of it.

function mathematics(x: f64): f64 {
  let sum = Math.sin(x) + Math.cos(x) + Math.tan(x) + Math.asin(x) + Math.acos(x) + Math.atan(x) + Math.atan2(x, 2);
  sum += Math.sinh(x) + Math.cosh(x) + Math.tanh(x) + Math.asinh(x) + Math.acosh(x + 1) + Math.atanh(x);
  sum += Math.exp(x) + Math.expm1(x) + Math.log(x) + Math.log10(x) + Math.log1p(x) + Math.log2(x);
  sum += Math.pow(x, 1.5) + Math.cbrt(x) + Math.hypot(x, 3) + Math.round(x) + Math.sqrt(x) + (x % 0.3);
  return sum;
}

function singlePrecision(x: f32): f32 {
  let sum = Mathf.sin(x) + Mathf.cos(x) + Mathf.tan(x) + Mathf.asin(x) + Mathf.acos(x) + Mathf.atan(x);
  sum += Mathf.sinh(x) + Mathf.cosh(x) + Mathf.tanh(x) + Mathf.asinh(x) + Mathf.acosh(x + 1) + Mathf.atanh(x);
  sum += Mathf.exp(x) + Mathf.expm1(x) + Mathf.log(x) + Mathf.log10(x) + Mathf.log1p(x) + Mathf.log2(x);
  return sum + Mathf.pow(x, 1.5) + Mathf.cbrt(x) + Mathf.hypot(x, 3) + Mathf.round(x) + (x % 0.3);
}

function texts(seed: i32): i32 {
  const text = ' The quick brown fox, number ' + seed.toString() + ', jumps over the lazy dog: äöü ';
  let sum = text.trim().toUpperCase().indexOf('FOX') + text.lastIndexOf('o') + text.toLowerCase().length;
  sum += text.split(' ').reverse().join('-').padStart(120, '*').padEnd(130).length + text.repeat(2).length;
  sum += text.replace('quick', 'slow').replaceAll('o', '00').length + text.substring(3, 9).localeCompare('fox');
  sum += encodeURIComponent(text).length + decodeURIComponent(encodeURI(text)).length;
  sum += <i32>parseFloat('12.5e1') + <i32>parseInt('7f', 16) + text.concat('!').codePointAt(5) + text.charCodeAt(7);
  const bytes = String.UTF8.encode(text);
  sum += String.UTF8.decode(bytes).length + String.UTF16.encode(text).byteLength;
  return sum + (text.startsWith(' The') ? 1 : 0) + (text.endsWith('x') ? 1 : 0) + (text.includes('dog') ? 1 : 0);
}

function collections<K, V>(key: (i: i32) => K, value: (i: i32) => V): i32 {
  const map = new Map<K, V>();
  const set = new Set<K>();
  for (let i = 0; i < 20; i++) {
    map.set(key(i), value(i));
    set.add(key(i % 7));
  }
  map.delete(key(3));
  return map.size * 31 + set.size + map.keys().length + map.values().length + (map.has(key(5)) ? 1 : 0);
}

function arrays<T>(value: (i: i32) => T): i32 {
  const array = new Array<T>();
  for (let i = 0; i < 40; i++) array.push(value((i * 17) % 40));
  array.sort();
  const copy = array.slice(5, 30).concat(array.filter((_, i) => i % 3 === 0));
  copy.splice(3, 4);
  copy.unshift(value(1));
  copy.shift();
  copy.reverse();
  copy.fill(value(2), 1, 3);
  copy.copyWithin(2, 6, 9);
  return copy.length * 7 + copy.indexOf(value(9)) + copy.lastIndexOf(value(2)) + copy.join('/').length;
}

function typedArrays<A extends ArrayBufferView, T extends number>(array: A, sum: T): i32 {
  return array.byteLength + <i32>sum;
}

function numbers(): i32 {
  const bytes = Uint8Array.wrap(new ArrayBuffer(64)).fill(3).sort();
  const shorts = new Int16Array(32).map((_, i) => <i16>(i * 3)).sort((a, b) => b - a);
  const words = new Int32Array(32).map((_, i) => i * 5).filter((word) => word % 2 === 0);
  const longs = new Uint64Array(16).map((_, i) => i * i).reverse();
  const floats = new Float32Array(16).map((_, i) => <f32>i * 0.5).sort();
  const doubles = new Float64Array(16).map((_, i) => <f64>i * 0.25).sort();
  let result = typedArrays<Uint8Array, u8>(bytes, bytes.reduce<u8>((a, b) => a + b, 0));
  result += typedArrays<Int16Array, i16>(shorts, shorts.reduce<i16>((a, b) => a + b, 0));
  result += typedArrays<Int32Array, i32>(words, words.reduce<i32>((a, b) => a + b, 0));
  result += typedArrays<Uint64Array, u64>(longs, longs.reduce<u64>((a, b) => a + b, 0));
  result += typedArrays<Float32Array, f32>(floats, floats.reduce<f32>((a, b) => a + b, 0));
  result += typedArrays<Float64Array, f64>(doubles, doubles.reduce<f64>((a, b) => a + b, 0));
  return result + bytes.join().length + words.toString().length + floats.join('|').length + doubles.join('|').length;
}

function dates(milliseconds: i64): i32 {
  const date = new Date(milliseconds);
  date.setUTCHours(date.getUTCHours() + 30);
  const parsed = Date.fromString('2024-02-29T12:34:56.789Z');
  return date.toISOString().length + date.toUTCString().length + date.getUTCDay() + parsed.getUTCDate();
}

const text = (i: i32): string => 'key ' + i.toString();
const integer = (i: i32): i32 => i * 3;
const long = (i: i32): i64 => <i64>i << 33;
const double = (i: i32): f64 => <f64>i / 7;

export function run(): i32 {
  let sum = <i32>(mathematics(0.75) * 1000) + <i32>(singlePrecision(0.625) * 100) + texts(42) + numbers();
  sum += dates(1700000000000);
  sum += collections<string, i32>(text, integer) + collections<string, string>(text, text);
  sum += collections<i32, f64>(integer, double) + collections<i64, string>(long, text);
  sum += collections<f64, i64>(double, long);
  sum += arrays<i32>(integer) + arrays<f64>(double) + arrays<string>(text) + arrays<i64>(long);
  return sum;
}
