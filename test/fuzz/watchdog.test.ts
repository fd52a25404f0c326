import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const MODULE = new URL('./watchdog.ts', import.meta.url).href;

function run(program: string): {
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  readonly status: number | null;
} {
  const source = `import { Watchdog } from '${MODULE}'; const dog = new Watchdog(300); ${program}`;
  return spawnSync(process.execPath, ['--input-type=module', '--eval', source], { encoding: 'utf8', timeout: 60_000 });
}

test('a case that does not end is named, and ends with its process', () => {
  const { signal, stderr } = run("dog.begin('first'); dog.begin('case 7'); for (;;);");
  assert.equal(signal, 'SIGKILL');
  assert.equal(stderr, 'STUCK: case 7\n');
});

test('cases that end, and pauses, go on', () => {
  const wait = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, MS);';
  const cases = `for (let i = 0; i < 8; i++) { dog.begin('case ' + i); ${wait.replace('MS', '100')} }`;
  const { status, stderr } = run(`${cases} dog.pause(); ${wait.replace('MS', '700')}`);
  assert.equal(stderr, '');
  assert.equal(status, 0);
});
