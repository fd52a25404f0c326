/** The runner with tests of its own making: what is wrong must not pass. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { assemble } from '../../src/guard/testing-wat.ts';
import { runFolder } from './folder.ts';
import type { Command, ScriptValue } from './script.ts';
import type { Tally } from './tally.ts';

const MODULE = `(module (memory 1 1) (table 3 funcref) (elem (i32.const 0) $answer $quotient)
  (global $count (mut i32) (i32.const 0))
  (func $answer (export "answer") (result i32) (i32.const 42))
  (func (export "two") (result i32 f64) (i32.const -1) (f64.const 0.5))
  (func (export "quiet") (result f32) (f32.const nan:0x600000))
  (func (export "canonical") (result f64) (f64.const nan))
  (func (export "lanes") (result v128) (v128.const i16x8 1 2 3 4 5 6 7 8))
  (func (export "same") (param externref) (result externref) (local.get 0))
  (func (export "count") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.store (i32.const 65532) (i32.add (i32.load (i32.const 65532)) (i32.const 1)))
    (i32.add (global.get $count) (i32.load (i32.const 65532))))
  (func $quotient (export "quotient") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "pick") (param i32) (result i32) (call_indirect (result i32) (local.get 0)))
  (func $endless (export "endless") (call $endless))
  (func (export "never") unreachable))`;

const i32 = (value: number): ScriptValue => ({ type: 'i32', value: String(value >>> 0) });
const invoke = (field: string, ...args: ScriptValue[]): Pick<Command, 'action'> => ({
  action: { type: 'invoke', field, args },
});
const returns = (field: string, args: ScriptValue[], ...expected: ScriptValue[]): Omit<Command, 'line'> => ({
  type: 'assert_return',
  ...invoke(field, ...args),
  expected,
});
const traps = (text: string, field: string, ...args: ScriptValue[]): Omit<Command, 'line'> => ({
  type: 'assert_trap',
  text,
  ...invoke(field, ...args),
});
const lanes = (...value: string[]): ScriptValue => ({ type: 'v128', lane_type: 'i16', value });

/** Runs commands behind a module of their own, each with its place in the list as its line. */
async function run(commands: readonly Omit<Command, 'line'>[], files: Record<string, Uint8Array> = {}): Promise<Tally> {
  const folder = mkdtempSync(path.join(tmpdir(), 'jord-conformance-'));
  try {
    const module = { type: 'module', line: 0, filename: 'module.wasm' };
    const script = { commands: [module, ...commands.map((command, i) => ({ ...command, line: i + 1 }))] };
    writeFileSync(path.join(folder, 'test.json'), JSON.stringify(script));
    writeFileSync(path.join(folder, 'module.wasm'), assemble(MODULE));
    for (const [name, bytes] of Object.entries(files)) writeFileSync(path.join(folder, name), bytes);
    return await runFolder(pathToFileURL(folder + path.sep));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('what is right passes, in both lives', async () => {
  const commands = [
    returns('answer', [], i32(42)),
    returns('two', [], i32(-1), { type: 'f64', value: String(0x3fe0000000000000n) }),
    returns('quiet', [], { type: 'f32', value: 'nan:arithmetic' }),
    returns('canonical', [], { type: 'f64', value: 'nan:canonical' }),
    returns('lanes', [], lanes('1', '2', '3', '4', '5', '6', '7', '8')),
    returns('lanes', [], { type: 'either', values: [lanes('0'), lanes('1', '2')] }),
    returns('same', [{ type: 'externref', value: '7' }], { type: 'externref', value: '7' }),
    returns('same', [{ type: 'externref', value: 'null' }], { type: 'externref', value: 'null' }),
    returns('count', [], i32(2)),
    { type: 'action', ...invoke('count') },
    returns('count', [], i32(6)),
    traps('integer divide by zero', 'quotient', i32(1), i32(0)),
    traps('integer overflow', 'quotient', i32(2 ** 31), i32(-1)),
    traps('out of bounds memory access', 'load', i32(2 ** 20)),
    traps('indirect call type mismatch', 'pick', i32(1)),
    traps('uninitialized element 2', 'pick', i32(2)),
    traps('undefined element', 'pick', i32(3)),
    traps('unreachable', 'never'),
    { type: 'assert_exhaustion', text: 'call stack exhausted', ...invoke('endless') },
  ];
  const tally = await run(commands);
  assert.deepEqual(tally.failures, []);
  assert.equal(tally.passed, commands.length + 1);
  assert.equal(tally.passedAgain, commands.length + 1);
});

test('what is wrong fails, in both lives', async () => {
  const commands = [
    returns('answer', [], i32(41)),
    returns('answer', []),
    returns('answer', [], i32(42), i32(42)),
    returns('two', [], i32(-1), { type: 'f64', value: '0' }),
    returns('quiet', [], { type: 'f32', value: 'nan:canonical' }),
    returns('lanes', [], lanes('1', '2', '3', '4', '5', '6', '7', '9')),
    returns('lanes', [], { type: 'either', values: [lanes('0'), lanes('2')] }),
    returns('same', [{ type: 'externref', value: '7' }], { type: 'externref', value: '8' }),
    returns('same', [{ type: 'externref', value: 'null' }], { type: 'externref' }),
    returns('never', []),
    traps('unreachable', 'answer'),
    traps('out of bounds memory access', 'answer'),
    traps('integer overflow', 'quotient', i32(1), i32(0)),
    traps('integer divide by zero', 'load', i32(2 ** 20)),
    traps('out of bounds memory access', 'pick', i32(3)),
    traps('undefined element', 'pick', i32(2)),
    traps('unreachable', 'endless'),
    { type: 'assert_exhaustion', text: 'call stack exhausted', ...invoke('never') },
    { type: 'assert_nothing' },
  ];
  const tally = await run(commands);
  const lines = tally.failures.map((failure) => Number(/^test\.json:(\d+) /.exec(failure)?.[1]));
  const expected = commands.map((_, i) => i + 1);
  assert.deepEqual(lines, [...expected, ...expected]);
  assert.equal(tally.passed, 1);
});

test('modules that must not start, and those that must', async () => {
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  const files = {
    'empty.wasm': empty,
    'cut.wasm': empty.subarray(0, 7),
    'trap.wasm': assemble('(module (func $s unreachable) (start $s))'),
    'foreign.wasm': assemble('(module (import "nobody" "f" (func)))'),
    'two.wasm': assemble('(module (memory 0) (memory 0))'),
    'outside.wasm': assemble('(module (memory 0) (data (i32.const 0) "x"))'),
  };
  const about = (type: string, file: keyof typeof files, text = ''): Omit<Command, 'line'> => ({
    type,
    filename: file,
    text,
  });
  const right = [
    about('module', 'empty.wasm'),
    about('assert_malformed', 'cut.wasm'),
    about('assert_unlinkable', 'foreign.wasm'),
    about('assert_uninstantiable', 'trap.wasm', 'unreachable'),
    about('assert_uninstantiable', 'outside.wasm', 'out of bounds memory access'),
    about('assert_invalid', 'two.wasm', 'multiple memories'),
  ];
  assert.deepEqual((await run(right, files)).failures, []);
  const wrong = [
    about('module', 'cut.wasm'),
    about('module', 'trap.wasm'),
    about('module', 'outside.wasm'),
    about('assert_malformed', 'empty.wasm'),
    about('assert_invalid', 'trap.wasm'),
    about('assert_unlinkable', 'empty.wasm'),
    about('assert_unlinkable', 'trap.wasm'),
    about('assert_uninstantiable', 'empty.wasm'),
    about('assert_uninstantiable', 'trap.wasm', 'out of bounds memory access'),
  ];
  assert.equal((await run(wrong, files)).failures.length, wrong.length);
  const { refused, failures } = await run([about('module', 'two.wasm')], files);
  assert.deepEqual({ refused, failures }, { refused: 1, failures: [] });
});
