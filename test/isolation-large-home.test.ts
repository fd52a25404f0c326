/**
 * A function with so much memory that its own addresses have the numbers of PrivLib's tables and of VTEs in use. These are
 * its own memory to it, and nothing of PrivLib may change.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as L from '../core/layout.ts';
import { AccessAttacks } from './access-attacks.ts';
import { MEMORY_FORMS } from './memory-forms.ts';

const MEMORY_LIMIT = 2 ** 26;
const OFFSETS = [0, L.RED_ZONE - 1, L.RED_ZONE, 2 ** 20, MEMORY_LIMIT - 1, MEMORY_LIMIT, 0xffff_ffff];

let attacks: AccessAttacks;

before(async () => {
  attacks = await AccessAttacks.open(MEMORY_FORMS, OFFSETS, MEMORY_LIMIT);
});
after(() => attacks?.close());

test('what is at the same numbers as its own memory', async () => {
  const { entry } = attacks.targets;
  assert.ok(entry > L.VTE_AREA && entry < MEMORY_LIMIT - 4096);
  const tables = [L.CONTROL_MAGIC, L.GRANULE_TABLE + 128 * 8, L.EXECUTOR_TABLE, L.FUNCTION_TABLE, L.POOL_TABLE];
  const counts = await attacks.tryAll(
    attacks.at('nothing', () => [...tables, L.PD_TABLE, L.VTE_AREA, entry, entry + L.VTE_WRITE_END]),
  );
  assert.ok(counts.allowed > 1000, JSON.stringify(counts));
});

test('the end of a large home, and what is behind it', async () => {
  const { canaries, returned } = attacks.targets;
  const end = MEMORY_LIMIT + L.RED_ZONE;
  const counts = await attacks.tryAll(
    attacks.at('nothing', (size) => [
      ...[MEMORY_LIMIT - size, MEMORY_LIMIT, end - size, end - size + 1, end],
      ...[0x8000_0000 - size, 0x8000_0000 - 1, canaries[0]?.start ?? 0, returned, 2 ** 32 - size, 2 ** 32 + 64],
    ]),
  );
  assert.ok(counts.allowed > 100 && counts.refused > 1000, JSON.stringify(counts));
});

test('an ArgBuf next to a large home', async () => {
  const counts = await attacks.tryAll(attacks.at('own', (size) => [0, 100 - size, 100 - size + 1, -1]));
  assert.ok(counts.allowed > 100 && counts.refused > 1000, JSON.stringify(counts));
});
