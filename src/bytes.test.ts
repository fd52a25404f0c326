import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes } from './bytes.ts';

test('bytes for people', () => {
  const cases = {
    0: '0 B',
    1023: '1023 B',
    1024: '1 KiB',
    1536: '1.5 KiB',
    65536: '64 KiB',
    1234567: '1.2 MiB',
    536870912: '512 MiB',
  };
  for (const [bytes, text] of Object.entries(cases)) assert.equal(formatBytes(Number(bytes)), text);
  assert.equal(formatBytes(3 * 2 ** 40), '3072 GiB');
});
