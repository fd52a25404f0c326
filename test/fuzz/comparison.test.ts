/** The comparison sees what it is there for: each of these spoils the guarded side, and must come to light. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NULL_VTE, RED_ZONE } from '../../core/layout.ts';
import { Differential } from './differential.ts';
import { caseOf, generateCase } from './generate.ts';
import type { Sabotage } from './guarded.ts';

const SEED = 1;
const CASES_MAX = 60;

/** Runs cases until one differs, and says how. */
async function problemsWith(sabotage: Sabotage): Promise<string> {
  const differential = await Differential.open(sabotage);
  try {
    const { firstCallee } = differential;
    for (let number = 0; number < CASES_MAX; number++) {
      const result = differential.run(caseOf(generateCase(SEED, number, { firstCallee })));
      if (result.kind === 'different') return result.problems.join('\n');
    }
    return '';
  } finally {
    await differential.close();
  }
}

const SABOTAGES: readonly (readonly [what: string, seen: RegExp, sabotage: Sabotage])[] = [
  ['nothing', /^$/, {}],
  [
    'a write that is not marked',
    /the home is not as it was/,
    {
      afterCalls: (side, base, { mapOffset, mapSize }) =>
        side.bytes.fill(0, base + mapOffset, base + mapOffset + mapSize),
    },
  ],
  [
    'a byte of the home that is another',
    /memory differs from byte 5000 /,
    { afterCalls: (side, base, { headerSize }) => side.bytes.writeUInt8(0x77, base + headerSize + 5000) },
  ],
  [
    'a write into the home of the PD behind',
    /the home of another PD was written to/,
    { afterCalls: (side, base, { homeSize, headerSize }) => side.bytes.writeUInt8(1, base + homeSize + headerSize) },
  ],
  [
    'a write behind the red zone',
    /the home is not as it was/,
    {
      afterCalls: (side, base, { headerSize, memoryLimit }) =>
        side.bytes.writeUInt8(1, base + headerSize + memoryLimit + RED_ZONE),
    },
  ],
  [
    'a write behind the end of an ArgBuf',
    /bytes behind the end of the ArgBuf/,
    {
      afterCalls: (side, _base, _layout, vmas) => {
        for (const { kind, start, length } of vmas)
          if (kind === 'shared' && length === 100) side.bytes.writeUInt8(1, start + length + 3);
      },
    },
  ],
  [
    'a write into what belongs to somebody else',
    /a foreign ArgBuf .* was written over/,
    {
      afterCalls: (side, _base, _layout, vmas) => {
        for (const { kind, start, length } of vmas)
          if (kind === 'foreign' && length > 0) side.bytes.writeUInt8(1, start);
      },
    },
  ],
  [
    'a write to the tables of PrivLib',
    /PrivLib's memory/,
    { afterCalls: (side) => side.bytes.writeUInt8(1, NULL_VTE + 4) },
  ],
  [
    'writing where only reading is allowed',
    /without guards it trapped: memory/,
    { kind: (kind) => (kind === 'own, to read' ? 'own' : kind) },
  ],
  [
    'no access where there should be',
    /trapped: memory/,
    { kind: (kind) => (kind === 'shared' ? 'shared, to read' : kind) },
  ],
];

for (const [what, seen, sabotage] of SABOTAGES) {
  test(what, async () => {
    assert.match(await problemsWith(sabotage), seen);
  });
}
