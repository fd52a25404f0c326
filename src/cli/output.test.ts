import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JordError } from '../errors.ts';
import { createLog, type LogEntry } from './log.ts';
import { describeError, exitCodeOf, table } from './output.ts';

test('tables', () => {
  const rows = [
    ['NAME', 'SIZE', 'X'],
    ['a', '10 B', ''],
    ['longer', '1 B', 'x'],
  ];
  assert.equal(table(rows, [1]), 'NAME    SIZE  X\na       10 B\nlonger   1 B  x');
  assert.equal(table([]), '');
});

test('an error says what happened and what to do', () => {
  const error = new JordError('SERVER_UNREACHABLE', 'No server answers at X: nothing listens there.');
  assert.equal(
    describeError(error),
    'jord: No server answers at X: nothing listens there.\n      Start a server with `jord serve`, or say where it is with --server or JORD_URL.\n',
  );
  assert.equal(exitCodeOf(error), 6);
  assert.equal(describeError(new JordError('BAD_OPTION', 'This is wrong.')), 'jord: This is wrong.\n');
});

test('a fault shows its kind, access and backtrace', () => {
  const details = {
    function: 'f',
    fault: 'memory-access',
    reason: 'r',
    address: '0x7fff0000',
    access: 'read',
    sizeBytes: 4,
    backtrace: ['inner', 'handle'],
  };
  assert.equal(
    describeError(new JordError('FUNCTION_FAULT', 'f failed: r.', details)),
    [
      'jord: f failed: r.',
      '  fault      memory-access',
      '  access     read of 4 bytes at 0x7fff0000',
      '  backtrace  inner',
      '             handle',
      '',
    ].join('\n'),
  );
  const trap = new JordError('FUNCTION_FAULT', 'f failed: unreachable.', { fault: 'trap', backtrace: [] });
  assert.equal(describeError(trap), 'jord: f failed: unreachable.\n  fault      trap\n');
  assert.equal(exitCodeOf(trap), 5);
});

test('nothing that a server or a function says can move the cursor or forge a line', () => {
  const error = new JordError('FUNCTION_FAULT', 'a\nb\x1b[2J', {
    fault: '\x1b1',
    address: '\x1b2',
    access: '\x1b3',
    sizeBytes: '\x1b4',
    backtrace: ['f\x1b5\ng'],
  });
  assert.equal(
    describeError(error),
    [
      'jord: a\\u000ab\\u001b[2J',
      '  fault      \\u001b1',
      '  access     \\u001b3 of \\u001b4 bytes at \\u001b2',
      '  backtrace  f\\u001b5\\u000ag',
      '',
    ].join('\n'),
  );
  const source = new JordError('SOURCE_REFUSED', 'x.ts:1:1: \x1b\nx.ts:2:1: \r');
  assert.equal(describeError(source), 'jord: x.ts:1:1: \\u001b\nx.ts:2:1: \\u000d\n');
  assert.equal(table([['a\x1b', 'b\n']]), 'a\\u001b  b\\u000a');
});

test('what is no error of the table is a bug, with its stack', () => {
  assert.match(describeError(new TypeError('x')), /^jord: This is a bug in jord: TypeError: x\n {4}at /);
  assert.equal(exitCodeOf(new TypeError('x')), 1);
});

function logged(
  format: 'json' | 'text',
  threshold: 'debug' | 'info' | 'warn' | 'error' | 'silent',
  entries: readonly LogEntry[],
): string[] {
  const lines: string[] = [];
  const log = createLog(threshold, format, (line) => lines.push(line));
  for (const entry of entries) log(entry);
  return lines;
}

const ENTRIES: readonly LogEntry[] = [
  { level: 'debug', function: 'f', message: 'd' },
  { level: 'info', function: '', message: 'i', fields: { status: 200 } },
  { level: 'warn', function: 'f', message: 'w' },
  { level: 'error', function: '', message: 'e', fields: { stack: 'Error: e\n  at x' } },
];

test('the log: levels', () => {
  assert.equal(logged('json', 'debug', ENTRIES).length, 4);
  assert.equal(logged('json', 'info', ENTRIES).length, 3);
  assert.equal(logged('text', 'error', ENTRIES).length, 1);
  assert.equal(logged('text', 'silent', ENTRIES).length, 0);
});

test('the log: a JSON line each', () => {
  const [line = ''] = logged('json', 'info', ENTRIES);
  assert.ok(line.endsWith('}\n'));
  const { time, ...rest } = JSON.parse(line) as Record<string, unknown>;
  assert.ok(!Number.isNaN(Date.parse(String(time))));
  assert.deepEqual(rest, { level: 'info', message: 'i', status: 200 });
});

test('the log: text for people, in which a function cannot forge anything', () => {
  const [first = '', last = ''] = logged('text', 'warn', ENTRIES);
  assert.match(first, /^\d\d:\d\d:\d\d warn {2}f: w\n$/);
  assert.match(last, /^\d\d:\d\d:\d\d error e\nError: e\n {2}at x\n$/);
  const message = 'a\nb\x1b[2J\r\x9b\u2028\tc';
  const [forged = ''] = logged('text', 'info', [{ level: 'info', function: 'f', message }]);
  assert.ok(forged.endsWith('f: a\\u000ab\\u001b[2J\\u000d\\u009b\\u2028\tc\n'));
});
