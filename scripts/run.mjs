/** Brings the set-up up to date and runs a TypeScript file on the project's Node: `node scripts/run.mjs FILE [ARGUMENT …]`. */
import path from 'node:path';
import { runOnNode } from './run-on-node.mjs';
import { ROOT, setUp } from './setup.mjs';

const [file, ...parameters] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write('usage: node scripts/run.mjs FILE [ARGUMENT …]\n');
  process.exitCode = 2;
} else {
  runOnNode(setUp(), [path.join(ROOT, file), ...parameters], (message) => {
    process.stderr.write(`${message}\n`);
    process.exitCode = 1;
  });
}
