import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { ERRORS } from '../errors.ts';
import { createProgram, run } from './program.ts';

const ignore = (): void => undefined;

/** What a command writes to standard error, and its exit code. */
async function fail(...parameters: string[]): Promise<{ readonly stderr: string; readonly code: number }> {
  let stderr = '';
  const code = await run(parameters, (text) => {
    stderr += text;
  });
  return { stderr, code };
}

/** With those below others: `kv put`. */
function allCommands(): [string, Command][] {
  const below = (command: Command, prefix: string): [string, Command][] =>
    command.commands.flatMap((each) => [
      [prefix + each.name(), each] as [string, Command],
      ...below(each, `${prefix}${each.name()} `),
    ]);
  return below(createProgram(ignore, ignore), '');
}

function documentation(page: string): string {
  return readFileSync(join(import.meta.dirname, '..', '..', 'docs', page), 'utf8');
}

test('docs/cli.md has each command and option, and docs/configuration.md each variable', () => {
  const commands = documentation('cli.md');
  const variables = documentation('configuration.md');
  for (const [name, command] of allCommands()) {
    assert.ok(commands.includes(`jord ${name}`), name);
    for (const { flags, long, envVar } of command.options) {
      if (long !== '--json') assert.ok(commands.includes(`\`${flags}\``), `${name} ${flags}`);
      if (envVar !== undefined) assert.ok(variables.includes(`| \`${envVar}\` | \`${long}\` |`), envVar);
    }
  }
});

test('each exit code of the table of errors is explained', () => {
  const text = documentation('cli.md');
  for (const { exit } of Object.values(ERRORS)) assert.match(text, new RegExp(`^\\| ${exit} \\| `, 'm'));
});

test('each command has examples', () => {
  for (const [name, command] of allCommands()) {
    let help = '';
    command.configureOutput({
      writeOut: (text) => {
        help += text;
      },
    });
    command.outputHelp();
    assert.ok(help.includes('Examples:\n'), name);
  }
});

test('wrong usage: one line that says what is wrong, one that says where to look, exit code 2', async () => {
  for (const [parameters, expected] of [
    [['sevre'], /^jord: unknown command 'sevre'/],
    [['deploy'], /^jord: missing required argument 'file'\n.*`jord deploy --help`/],
    [['serve', '--port', '70000'], /^jord: .*'70000' is invalid\. A port is a number/],
    [['serve', '--module-limit', '65MiB'], /^jord: .*'65MiB' is invalid\. Possible are 8 B to 64 MiB\./],
    [['deploy', 'x.txt'], /^jord: x\.txt is neither/],
    [['deploy', 'x.wat'], /^jord: x\.wat is WebAssembly text\. Assemble it/],
    [['invoke', 'a', '-X', 'B AD'], /^jord: .*'B AD' is invalid\. A method is/],
    [['list', '--server', 'http://127.0.0.1:1/fn/'], /^jord: .* An address looks like/],
    [['deploy', 'missing.wasm'], /^jord: Cannot read missing\.wasm: there is no such file/],
    [['deploy', 'Bad Name.wasm'], /^jord: "Bad Name", from the name of the file, .* --name/],
    [['deploy', 'x.wasm', '--runtime', 'stub'], /^jord: --runtime is for AssemblyScript/],
    [
      ['deploy', 'x.wasm', '--deadline-ms', '0'],
      /^jord: .*'0' is invalid\. Possible are whole numbers of milliseconds/,
    ],
    [['serve', '--queue-bound', '65'], /^jord: .*'65' is invalid\. Possible are whole numbers from 1 to 64\./],
    [['deploy', 'x.wasm', '--concurrency', '0'], /^jord: .*'0' is invalid\. Possible are whole numbers from 1 to/],
    [['deploy', 'x.wasm', '--fetch-allow', 'a/b'], /^jord: .*'a\/b' is invalid\. "a\/b" is no origin .* looks like/],
    [['invoke', 'a', '--deadline-ms', 'soon'], /^jord: .*'soon' is invalid\. Possible are whole numbers/],
    [['invoke', 'a', '--data', 'x', '--data-file', 'y'], /^jord: Give either/],
    [['invoke', 'a', '--data', 'x', '-X', 'get'], /^jord: GET is sent without a body/],
    [['deploy', 'x.wasm', '--kv', 'carts'], /^jord: .*'carts' is invalid\. "carts" says nothing about a space/],
    [['deploy', 'x.wasm', '--kv', 'a:ro', '--kv', 'a:rw'], /^jord: .* is there twice/],
    [['serve', '--kv-bytes', '1'], /^jord: .*'1' is invalid\. Possible are 64 KiB to/],
    [['kv', 'put', 'carts'], /^jord: missing required argument 'key'\n.*`jord kv put --help`/],
    [['kv', 'put', 'a', 'b', '-d', 'x', '-f', 'y'], /^jord: Give either --data or/],
    [['kv', 'put', 'a', 'b', '-d', 'x', '--if-absent', '--if-version', '1'], /^jord: Give either --if-version or/],
    [['kv', 'put', 'a', 'b', '-d', 'x', '--ttl-ms', '0'], /^jord: .*'0' is invalid\. Possible are whole/],
    [['kv', 'put', 'a', 'b', '-d', 'x', '--if-version', 'new'], /^jord: .*'new' is invalid\. A version is/],
    [['kv', 'put', 'a', '..', '-d', 'x'], /^jord: No URL can name the key "\.\."/],
    [['kv', 'get', '..', 'a'], /^jord: "\.\." cannot be the name of a space/],
    [['kv', 'get', 'a', '!', '--base64'], /^jord: The key "!" is not base64/],
    [['kv', 'add', 'a', 'b', 'one'], /^jord: .*'one' is invalid.* whole number of 64 bits/],
    [['kv', 'create', 'a', '--keys-max', '0'], /^jord: .*'0' is invalid\. Possible are whole/],
    [['kv', 'create', 'a', '--bytes-max', '5GiB'], /^jord: .*'5GiB' is invalid\. Possible are 256 B to/],
    [['kv', 'delete', 'a', 'b', 'c', '--if-version', '70000'], /^jord: --if-version is for one key/],
  ] as const) {
    const { stderr, code } = await fail(...parameters);
    assert.match(stderr, expected);
    assert.equal(code, 2, stderr);
    assert.ok(stderr.split('\n').length <= 4, stderr);
  }
});
