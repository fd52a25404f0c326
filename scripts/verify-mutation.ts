/**
 * Mutates guarded modules by machine and looks whether the verifier refuses all that do harm, for as long as wanted:
 *
 *     node scripts/run.mjs scripts/verify-mutation.ts [--seed n] [--minutes n] [--per-subject n] [--show accepted]
 *
 * The same seed gives the same mutants. `--show accepted` lists what the verifier let pass (and did no harm that the oracle
 * saw), `--show harmless` what it refused although the oracle sees no harm in it. Exit code 1 when there is a hole.
 */
import { parseArgs } from 'node:util';
import { accessSubjects, Campaign, report } from '../test/mutation/campaign.ts';
import { controlSubject, loopsSubject, maskedSubject, sharingSubject } from '../test/mutation/subjects.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() & 0x7fff_ffff) },
    minutes: { type: 'string', default: '10' },
    'per-subject': { type: 'string', default: '400' },
    show: { type: 'string', default: '' },
  },
});
const [seed = 0, minutes = 0, perSubject = 0] = [values.seed, values.minutes, values['per-subject']].map(Number);
if (![seed, perSubject].every((value) => Number.isInteger(value) && value >= 0) || !(minutes > 0)) {
  console.error('--seed and --per-subject are whole numbers, --minutes a number.');
  process.exit(2);
}
console.log(`seed ${seed}, ${minutes} minutes`);
const endMs = performance.now() + minutes * 60_000;
const campaign = new Campaign({ seed, perSubject, refusedEvery: 4, progress: (line) => console.log(line) });
try {
  for (let round = 0; performance.now() < endMs; round += 1) {
    campaign.run(controlSubject());
    campaign.run(sharingSubject());
    campaign.run(loopsSubject());
    campaign.run(maskedSubject());
    for (const subject of accessSubjects(seed + round)) {
      if (performance.now() >= endMs) break;
      campaign.run(subject);
    }
  }
} finally {
  await campaign.close();
}
const { accepted, harmless, holes } = campaign.result;
for (const line of values.show === 'accepted' ? accepted : values.show === 'harmless' ? harmless : [])
  console.log(line);
console.log(report(campaign.result));
for (const hole of holes) console.log(`HOLE ${JSON.stringify(hole)}`);
process.exitCode = holes.length > 0 ? 1 : 0;
