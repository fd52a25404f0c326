import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  GRANULE_SHIFT,
  GRANULE_TABLE,
  HOME_AREA,
  HOME_GLOBALS,
  HOME_GRANT_TABLE_A,
  HOME_GRANTS,
  OWNER_NOBODY,
  PERMISSION_READ,
  VTE_END,
  VTE_GRANTS,
  VTE_OWNER,
  VTE_READ_END,
  VTE_START,
  VTE_WRITE_END,
} from '../../core/layout.ts';
import { Fixture } from '../../test/privlib-fixture.ts';
import { createAddressSpace } from './home.ts';

const MIB = 2 ** 20;
/** More VMAs than PrivLib takes at once for a free list. */
const TRIES_MAX = 64;
/** Its home would be here. */
const BASE = HOME_AREA;

/** Has PrivLib map VMAs for this PD until one lies at this address. */
function mapAt({ privLib }: Fixture, address: number, length: number, asker: number): void {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    if (privLib.vmaMap(length, asker) >>> 0 === address) return;
  }
  assert.fail(`PrivLib maps no VMA of ${length} bytes at ${address.toString(16)}`);
}

/** What the guard reads of a VMA, and what else describes it. */
function describe(view: DataView, address: number, vte: number): unknown {
  return {
    granule: view.getBigUint64(GRANULE_TABLE + 8 * (address >>> GRANULE_SHIFT), true),
    words: [VTE_READ_END, VTE_WRITE_END, VTE_END, VTE_GRANTS, VTE_START].map((at) => view.getUint32(vte + at, true)),
  };
}

test('VMAs made by hand look as those that PrivLib maps, in every class', () => {
  const fixture = new Fixture();
  const space = createAddressSpace();
  const view = new DataView(space.memory.buffer);
  for (let shift = 7; shift <= 21; shift++) {
    const length = 2 ** shift - (shift % 2);
    const address = space.vmas.create(length, BASE);
    mapAt(fixture, address, length, fixture.host);
    const vte = fixture.vteOf(address);
    assert.deepEqual(describe(view, address, vte), describe(fixture.view, address, vte), `${length} bytes`);
    assert.equal(view.getUint32(vte + VTE_OWNER, true), BASE);
    assert.equal(fixture.word(vte + VTE_OWNER), fixture.host);
  }
});

test('a VMA shared by hand looks as one that a PD shared before it ended', () => {
  const fixture = new Fixture();
  const { privLib, host } = fixture;
  const space = createAddressSpace();
  const view = new DataView(space.memory.buffer);
  const address = space.vmas.create(1000, BASE);
  space.vmas.share(address, BASE);

  const owner = privLib.pdCreate(fixture.makeFunction().descriptor, host);
  assert.equal(privLib.pdEnter(owner, host), 0);
  mapAt(fixture, address, 1000, privLib.pdHome(owner));
  assert.equal(privLib.vmaShare(address, privLib.pdHandle(host), PERMISSION_READ, privLib.pdHome(owner)), 0);
  assert.equal(privLib.pdExit(owner, host), 0);
  assert.equal(privLib.pdDestroy(owner, host), 0);

  const vte = fixture.vteOf(address);
  assert.deepEqual(describe(view, address, vte), describe(fixture.view, address, vte));
  for (const [tables, holder] of [
    [view, BASE],
    [fixture.view, host],
  ] as const) {
    assert.equal(tables.getUint32(vte + VTE_OWNER, true), OWNER_NOBODY);
    assert.equal(tables.getUint32(holder + HOME_GRANTS, true), 1);
  }
  const grants = (bytes: Uint8Array, holder: number): Uint8Array =>
    bytes.slice(holder + HOME_GRANT_TABLE_A, holder + HOME_GLOBALS);
  assert.deepEqual(grants(new Uint8Array(space.memory.buffer), BASE), grants(fixture.bytes, host));
  assert.throws(() => space.vmas.share(address, BASE), RangeError);
});

test('there is room for so many VMAs, up to 2 MiB', () => {
  const { vmas } = createAddressSpace();
  const addresses = Array.from({ length: 8 }, () => vmas.create(2 * MIB, BASE));
  assert.equal(new Set(addresses).size, 8);
  assert.throws(() => vmas.create(2 * MIB, BASE), RangeError);
  assert.throws(() => vmas.create(2 * MIB + 1, BASE), RangeError);
  assert.ok(vmas.create(MIB, BASE) > 2 ** 31);
});
