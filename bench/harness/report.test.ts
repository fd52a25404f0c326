import assert from 'node:assert/strict';
import { test } from 'node:test';
import { environment } from './environment.ts';
import { formatNumber, formatTable, resultsJson, resultsTable } from './report.ts';

const RESULTS = [
  { name: 'x/one', value: 1.23456, unit: 'ratio', low: 1.2, high: 1.3, more: { plainUs: 10.5 } },
  { name: 'x/another', value: 2, unit: 'ratio', low: 1.9, high: 2.1 },
];

test('numbers have four significant digits', () => {
  assert.equal(formatNumber(1.23456), '1.235');
  assert.equal(formatNumber(123.456), '123.5');
  assert.equal(formatNumber(12345.6), '12346');
  assert.equal(formatNumber(0.00123456), '0.001235');
  assert.equal(formatNumber(0.123456), '0.1235');
  assert.equal(formatNumber(-2.5), '-2.500');
  assert.equal(formatNumber(17), '17');
  assert.equal(formatNumber(0), '0');
});

test('columns are aligned and short rows are filled', () => {
  assert.equal(
    formatTable(['name', 'us'], [['a', '1.25'], ['longer', '10'], ['none']]),
    ['name      us', '------  ----', 'a       1.25', 'longer    10', 'none'].join('\n'),
  );
});

test('the table has a column for each further member', () => {
  const lines = resultsTable(RESULTS).split('\n');
  assert.match(lines[0] ?? '', /^name +median +unit +low \(q1\) +high \(q3\) +plainUs$/);
  assert.match(lines[2] ?? '', /^x\/one +1\.235 +ratio +1\.200 +1\.300 +10\.50$/);
  assert.match(lines[3] ?? '', /^x\/another +2 +ratio +1\.900 +2\.100$/);
});

test('JSON is one line, with further members beside the others', () => {
  const json = resultsJson('x', RESULTS, environment());
  assert.ok(!json.includes('\n'));
  const parsed = JSON.parse(json);
  assert.equal(parsed.experiment, 'x');
  assert.deepEqual(parsed.results[0], {
    name: 'x/one',
    value: 1.23456,
    unit: 'ratio',
    low: 1.2,
    high: 1.3,
    plainUs: 10.5,
  });
  assert.deepEqual(Object.keys(parsed.environment), ['node', 'v8', 'cpu', 'cores', 'date']);
  assert.equal(parsed.environment.node, process.versions.node);
});
