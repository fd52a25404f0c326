/**
 * The verifier against mutants of guarded modules (test/mutation/): what it lets pass must do no harm. Longer, with any seed:
 * `scripts/verify-mutation.ts`.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { uniformSource } from '../bench/harness/random.ts';
import * as L from '../core/layout.ts';
import { TestSpace } from '../src/guard/testing.ts';
import { assembleBody, withBody } from '../src/guard/testing-edit.ts';
import { callCheck, checkVma, ENTRY_CHECK, FUNCTIONS, mark, SUBJECT, translate } from '../src/guard/testing-verify.ts';
import { accessSubjects, Campaign, report } from './mutation/campaign.ts';
import { harmOf, type OracleCall } from './mutation/oracle.ts';
import { controlSubject, loopsSubject, maskedSubject, sharingSubject } from './mutation/subjects.ts';
import { World } from './mutation/world.ts';

const SEED = 20_261_128;
/** Valid mutants of each kind must be so many, or the campaign shows nothing. */
const VALID_MIN = 170;

describe('mutants', () => {
  const campaign = new Campaign({ seed: SEED, perSubject: 300, refusedEvery: 3 });
  after(() => campaign.close());

  test('that do harm are refused, and those that pass do none', (context) => {
    for (const [i, subject] of [...accessSubjects(SEED)].entries()) {
      if (i === 7) break;
      campaign.run(subject);
    }
    campaign.run(controlSubject());
    campaign.run(sharingSubject());
    campaign.run(loopsSubject());
    campaign.run(maskedSubject());
    const { byKind, holes } = campaign.result;
    context.diagnostic(report(campaign.result));
    assert.deepEqual(holes, []);
    let [refused, harmful, tried] = [0, 0, 0];
    for (const [kind, counts] of byKind) {
      assert.ok(counts.valid >= VALID_MIN, `${counts.valid} valid mutants of kind ${kind}`);
      refused += counts.refused;
      harmful += counts.refusedHarmful;
      tried += counts.refusedTried;
    }
    assert.ok(refused > 1500, `${refused} refused`);
    // Most changes of a guard make it refuse what it allowed, or read nonsense: that is not harm, but nothing to prove either.
    assert.ok(harmful > tried / 8, `harm in ${harmful} of ${tried} that were refused and run`);
  });
});

/** The oracle must see harm where there is harm: it is what the campaign stands on. */
describe('the oracle', () => {
  let world: World;
  const { headerSize: H, memoryLimit: LIMIT } = SUBJECT.layout;
  const random = uniformSource(SEED);

  before(() => {
    world = new World(new TestSpace(), SUBJECT.layout);
  });

  function harm(text: string, counter?: number): string | undefined {
    const guarded = withBody(SUBJECT, 'subject', assembleBody(['i32', 'i32', 'i64', 'i32'], text));
    if (!WebAssembly.validate(guarded.bytes)) new WebAssembly.Module(guarded.bytes);
    const call: OracleCall = {
      name: 'subject',
      parameters: (place) => place.pointers(0).flatMap((pointer) => [3, 0x5a5a5a5a].map((q) => [pointer | 0, q])),
      ...(counter === undefined ? {} : { counter }),
    };
    const host = (log: { bases: number[] }) => ({
      'jord.argbuf_new': (...parameters: readonly unknown[]) => {
        log.bases.push(Number(parameters[1]));
        return 0;
      },
    });
    return harmOf(guarded, world, [call], host, random);
  }

  test('sees none in what is safe', () => {
    assert.equal(harm(`${translate(0, 0, 4, true)}; local.get 1; i32.store ${H}; i32.const 0`), undefined);
    assert.equal(harm(`${translate(0, 0, 4, false)}; i32.load ${H}`), undefined);
    assert.equal(harm(`${ENTRY_CHECK}; i32.const 8; local.get 2; call ${FUNCTIONS.argbufNew}`), undefined);
    assert.equal(harm(`${checkVma(0, 4, true)}; local.get 0; local.get 1; i32.store; i32.const 0`), undefined);
    assert.equal(harm(`${callCheck(0, 4, false)}; i32.load`), undefined);
    assert.equal(harm(`local.get 0; i32.const 4; local.get 2; call ${FUNCTIONS.refuse}; unreachable`), undefined);
  });

  test('sees accesses outside', () => {
    const base = 'local.get 2; local.get 0; i32.add';
    const below = (limit: number): string => `local.get 0; i32.const ${limit}; i32.ge_u; if; unreachable; end`;
    const changed = (from: string, to: string): string => {
      const check = checkVma(0, 4, false);
      assert.ok(check.includes(from));
      return check.replace(from, to);
    };
    for (const text of [
      'local.get 0; i32.load',
      'local.get 0; local.get 1; i32.store; i32.const 0',
      `${base}; i32.load ${H}`,
      `${below(2 * LIMIT)}; ${base}; i32.load ${H}`,
      `${below(LIMIT)}; ${base}; i32.load ${H + L.RED_ZONE}`,
      `${below(LIMIT)}; ${base}; i32.load`,
      `${below(LIMIT)}; ${base}; i32.load ${L.HOME_VMA_BYTES}`,
      `${changed('i32.const 4', 'i32.const 1')}; local.get 0; i32.load`,
      `${changed('i32.const 4', 'i32.const 0x104')}; local.get 0; i32.load 4`,
      `${changed('local.get 0', 'local.get 0; i32.const 8; i32.sub')}; local.get 0; i32.load 0x1000`,
      `${changed(`call ${FUNCTIONS.checkRead}`, 'drop; drop; drop; i32.const 0')}; local.get 0; i32.load`,
      `${translate(0, 0, 4, false).replace(String(LIMIT), String(2 * LIMIT))}; i32.load ${H}`,
      `${translate(0, 0, 4, false)}; i32.load ${H + L.RED_ZONE}`,
      `${translate(0, 0, 4, false)}; i32.const ${H}; i32.sub; i32.load`,
      `${checkVma(0, 4, false)}; local.get 0; local.get 1; i32.store; i32.const 0`,
      `${checkVma(0, 1, true)}; local.get 0; i64.const -1; i64.store; i32.const 0`,
      `${callCheck(0, 4, false)}; local.get 1; i32.store; i32.const 0`,
      `local.get 0; local.get 0; local.get 1; memory.fill 0; i32.const 0`,
    ]) {
      assert.notEqual(harm(text), undefined, text);
    }
  });

  test('sees missing marks, and writes to the header', () => {
    const inHome = `local.get 0; i32.const ${LIMIT}; i32.ge_u; if; unreachable; end`;
    const store = `local.get 2; local.get 0; i32.add; local.get 1; i32.store ${H}; i32.const 0`;
    assert.match(harm(`${inHome}; ${store}`) ?? '', /without a mark/);
    assert.match(harm(`${inHome}; ${mark(0, 300)}; ${store}`) ?? '', /without a mark/);
    assert.equal(harm(`${inHome}; ${mark(0)}; ${store}`), undefined);
    for (const place of [L.HOME_PD, L.HOME_OWNED, L.HOME_GRANT_TABLE_A, L.HOME_END_MS, L.HOME_MEMORY_PAGES]) {
      assert.match(harm(`local.get 2; local.get 1; i32.store ${place}; i32.const 0`) ?? '', /of the header/);
    }
  });

  test('sees base and what is in tables, where it goes', () => {
    assert.match(harm('local.get 2') ?? '', /depends/);
    assert.match(harm('local.get 2; i32.const 16; i32.shr_u; i32.const 1; i32.and') ?? '', /depends/);
    assert.match(harm(`local.get 2; local.get 2; i32.store ${L.HOME_GLOBALS}; i32.const 0`) ?? '', /depends/);
    assert.match(harm(`i32.const ${L.VTE_AREA + 3 * L.VTE_SIZE}; i32.load ${L.VTE_OWNER}`) ?? '', /depends/);
    assert.match(harm(`local.get 2; i32.load ${L.HOME_LAST_READ_START}`) ?? '', /depends/);
    assert.match(harm(`local.get 2; i32.load ${L.HOME_VMA_BYTES}`) ?? '', /depends/);
    for (const base of ['local.get 0', 'local.get 2; i32.const 4096; i32.sub']) {
      assert.match(harm(`i32.const 8; ${base}; call ${FUNCTIONS.argbufNew}`) ?? '', /another base/);
    }
  });

  test('sees what goes on after its deadline', () => {
    const count = `${mark(3)}; local.get 2; local.get 2; i32.load ${H}; i32.const 1; i32.add; i32.store ${H}`;
    const loop = (check: string): string => `
      i32.const 0; local.set 3
      loop; ${check}; ${count}; local.get 6; i32.const 1; i32.add; local.tee 6; i32.const 5; i32.lt_u; br_if 0; end
      i32.const 0`;
    assert.match(harm(loop(''), 0) ?? '', /after its deadline/);
    assert.equal(harm(loop(ENTRY_CHECK), 0), undefined);
  });
});
