import assert from 'node:assert/strict';
import { test } from 'node:test';
import { duration, element, linearScale, logScale, short, text } from './svg.ts';

test('a logarithmic scale ends at round numbers, and equal ratios are equal distances', () => {
  const scale = logScale([130, 41_000], 0, 100);
  assert.ok(Math.abs(scale(100)) < 1e-9);
  assert.ok(Math.abs(scale(50_000) - 100) < 1e-9);
  assert.ok(Math.abs(scale(200) - scale(100) - (scale(2000) - scale(1000))) < 1e-9);
  assert.deepEqual(scale.ticks, [100, 1000, 10_000]);
  assert.deepEqual(logScale([1, 4], 0, 1).ticks, [1, 2, 5]);
});

test('a linear scale begins at 0 and has a handful of round ticks', () => {
  const scale = linearScale([1, 16.2], 10, 20);
  assert.equal(scale(0), 10);
  assert.deepEqual(scale.ticks, [0, 5, 10, 15, 20]);
  assert.deepEqual(linearScale([], 0, 1).ticks.at(0), 0);
});

test('numbers are written as people write them', () => {
  assert.deepEqual([950, 1500, 52_340, 1.2e6].map(short), ['950', '1.5k', '52.3k', '1.2M']);
  assert.deepEqual([0.5, 42.42, 1234, 2.5e6].map(duration), ['0.5 µs', '42.4 µs', '1.23 ms', '2.5 s']);
});

test('text cannot end its element', () => {
  assert.equal(text(1, 2, '<a & "b">'), '<text x="1" y="2">&lt;a &amp; &quot;b&quot;&gt;</text>');
  assert.equal(element('line', { x1: 1.23456, class: '"' }), '<line x1="1.23" class="&quot;"/>');
});
