import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERRORS, JordError } from './errors.ts';

const ROW = /^\| `(?<code>[A-Z_]+)` \| (?<status>\d+) \| (?<exit>\d+) \| (?<title>[^|]+) \| [^|]+ \|$/gm;

test('docs/errors.md has the rows of the table, in its order, and no others', () => {
  const text = readFileSync(join(import.meta.dirname, '..', 'docs', 'errors.md'), 'utf8');
  const documented = [...text.matchAll(ROW)].map(({ groups = {} }) => ({
    code: groups['code'],
    status: Number(groups['status']),
    exit: Number(groups['exit']),
    title: groups['title'],
  }));
  assert.deepEqual(
    documented,
    Object.entries(ERRORS).map(([code, { status, exit, title }]) => ({ code, status, exit, title })),
  );
});

test('each code of the table is used', () => {
  const sources = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/\.(?:test|fixture)\.ts$/.test(file) && file !== 'errors.ts')
    .map((file) => readFileSync(join(import.meta.dirname, file), 'utf8'))
    .join('\n');
  for (const code of Object.keys(ERRORS)) assert.ok(sources.includes(`'${code}'`), `${code} is used nowhere in src/`);
});

test('an error carries its row, its details and its cause', () => {
  const cause = new Error('below');
  const error = new JordError('BODY_TOO_LARGE', 'Too large.', { limitBytes: 1 }, { cause });
  assert.equal(error.row, ERRORS.BODY_TOO_LARGE);
  assert.deepEqual(error.details, { limitBytes: 1 });
  assert.equal(error.cause, cause);
  assert.ok(error instanceof Error);
});
