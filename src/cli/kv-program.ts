/** The commands of `jord kv` and their options. */

import { type Command, Option } from 'commander';
import type { CreateOptions, DeleteOptions, GetOptions, KeyOptions, ListOptions, PutOptions } from './kv.ts';
import type { ExportOptions } from './kv-transfer.ts';
import type { JsonOptions } from './manage.ts';
import {
  parseBytesWithin,
  parseDelta,
  parseLimit,
  parseNumberWithin,
  parseVersion,
  type ServerOptions,
  serverOption,
  tokenOption,
} from './options.ts';

const TOKEN = 'token of the server, where it has one';
const SPACE = ['<space>', 'name of the space'] as const;
const KEY = ['<key>', 'the key, as text'] as const;
const WORD_MAX = 2 ** 32 - 1;
const TTL_MS_MAX = 999_999_999_999_999;

/** Adds `kv` with all that is below it. */
export function addKv(program: Command): void {
  const kv = program
    .command('kv')
    .description('Look at and change the key-value store: spaces of keys, which functions use too.')
    .helpCommand('help [command]', 'print help for a command')
    .configureHelp({ showGlobalOptions: false })
    .addHelpText('after', KV_HELP);
  addSpaces(kv);
  addKeys(kv);
  addTransfer(kv);
}

const KV_HELP = `
Examples:
  jord kv create carts --durable               a space that is there again after a restart
  jord deploy cart.ts --kv carts:rw            a function that may read and write it
  jord kv put carts ada --data '["BK-1001"]'   set a key
  jord kv get carts ada                        print its value
  jord kv list carts                           what keys there are
  jord kv export carts > carts.ndjson          all of it, a line for each key`;

function subcommand(kv: Command, name: string, description: string, examples: readonly string[]): Command {
  return kv
    .command(name)
    .description(description)
    .addHelpText('after', `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}`);
}

function withServer(command: Command): Command {
  return command.addOption(serverOption()).addOption(tokenOption(TOKEN));
}

function base64Option(): Option {
  return new Option('--base64', 'the key is given in base64, for one that is no text');
}

function addSpaces(kv: Command): void {
  const keysMax = new Option('--keys-max <n>', 'most keys, or "none" (default for a new space: none)');
  const bytesMax = new Option('--bytes-max <bytes>', 'most memory, or "none" (default for a new space: none)');
  withServer(
    subcommand(kv, 'create', 'Create a space, or change the limits of one.', [
      'jord kv create carts --durable',
      'jord kv create pages --cache --bytes-max 64MiB',
      'jord kv create carts --keys-max none',
    ])
      .argument(...SPACE)
      .option('--durable', 'its keys are on disk, and there again after a restart')
      .option('--cache', 'when it is full, the least recently used keys make room')
      .addOption(keysMax.argParser(parseLimit(parseNumberWithin(1, WORD_MAX))))
      .addOption(bytesMax.argParser(parseLimit(parseBytesWithin(256, WORD_MAX)))),
  )
    .option('--json', 'print what is known of it as JSON')
    .action(async (name: string, options: CreateOptions) => (await import('./kv.ts')).create(name, options));
  withServer(
    subcommand(kv, 'drop', 'Remove spaces, with all their keys.', ['jord kv drop carts']).argument(
      '<space...>',
      'names of the spaces',
    ),
  ).action(async (names: readonly string[], options: ServerOptions) => (await import('./kv.ts')).drop(names, options));
  withServer(
    subcommand(kv, 'spaces', 'List the spaces, or show what is known of one.', [
      'jord kv spaces',
      'jord kv spaces carts',
      `jord kv spaces --json | jq '.spaces[].keys'`,
    ]).argument('[space]', 'name of the space'),
  )
    .option('--json', 'print all details as JSON')
    .action(async (name: string | undefined, options: JsonOptions) => (await import('./kv.ts')).spaces(name, options));
}

function addKeys(kv: Command): void {
  withServer(
    subcommand(kv, 'get', 'Print the value of a key, byte for byte.', [
      'jord kv get carts ada',
      'jord kv get pages logo > logo.png',
      'jord kv get carts ada --json | jq -r .version',
    ])
      .argument(...SPACE)
      .argument(...KEY)
      .addOption(base64Option()),
  )
    .option('--json', 'print version, size and time to live as JSON, without the value')
    .action(async (space: string, key: string, options: GetOptions) =>
      (await import('./kv.ts')).get(space, key, options),
    );
  const ttl = new Option('--ttl-ms <ms>', 'the key goes by itself after so many milliseconds (default: never)');
  const version = new Option('--if-version <version>', 'only if the key still has this version');
  withServer(
    subcommand(kv, 'put', 'Set a key: the value from --data, --data-file or standard input.', [
      `jord kv put carts ada --data '["BK-1001"]'`,
      'jord kv put pages logo --data-file logo.png --ttl-ms 60000',
      'echo 1 | jord kv put locks nightly --if-absent',
    ])
      .argument(...SPACE)
      .argument(...KEY)
      .option('-d, --data <text>', 'the value')
      .option('-f, --data-file <file>', 'file with the value; "-" is standard input')
      .addOption(ttl.argParser(parseNumberWithin(1, TTL_MS_MAX)))
      .addOption(version.argParser(parseVersion))
      .option('--if-absent', 'only if the key is not there')
      .addOption(base64Option()),
  )
    .option('--json', 'print the version as JSON')
    .action(async (space: string, key: string, options: PutOptions) =>
      (await import('./kv.ts')).put(space, key, options),
    );
  addDelete(kv);
  addList(kv);
  withServer(
    subcommand(kv, 'add', 'Add to a counter, and print the sum. A key that is not there counts as 0.', [
      'jord kv add stats visits',
      'jord kv add stats stock -3',
    ])
      .argument(...SPACE)
      .argument(...KEY)
      .argument('[delta]', 'what to add (default: 1)', parseDelta)
      .addOption(base64Option()),
  ).action(async (space: string, key: string, delta: bigint | undefined, options: KeyOptions) =>
    (await import('./kv.ts')).add(space, key, delta ?? 1n, options),
  );
}

function addDelete(kv: Command): void {
  const version = new Option('--if-version <version>', 'only if the key still has this version');
  withServer(
    subcommand(kv, 'delete', 'Remove keys.', [
      'jord kv delete carts ada',
      'jord kv delete carts ada --if-version 65537',
    ])
      .argument(...SPACE)
      .argument('<key...>', 'the keys, as text')
      .addOption(version.argParser(parseVersion))
      .addOption(base64Option()),
  ).action(async (space: string, keys: readonly string[], options: DeleteOptions) =>
    (await import('./kv.ts')).remove(space, keys, options),
  );
}

function addList(kv: Command): void {
  const limit = new Option('--limit <n>', 'most keys to show').default(1000);
  withServer(
    subcommand(kv, 'list', 'List keys, in the order of their bytes.', [
      'jord kv list carts',
      'jord kv list users --prefix user/7/',
      `jord kv list carts --json | jq -r '.keys[].key'`,
    ])
      .argument(...SPACE)
      .addOption(new Option('--prefix <text>', 'only keys that begin with it').default('', 'all'))
      .addOption(new Option('--after <key>', 'only keys behind this one').default('', 'from the first'))
      .addOption(limit.argParser(parseNumberWithin(1, 100_000_000))),
  )
    .option('--json', 'print them as JSON')
    .action(async (space: string, options: ListOptions) => (await import('./kv.ts')).list(space, options));
}

function addTransfer(kv: Command): void {
  withServer(
    subcommand(kv, 'export', 'Write all keys with their values, as a JSON object on a line each.', [
      'jord kv export carts carts.ndjson',
      'jord kv export users --prefix user/7/ | gzip > user-7.ndjson.gz',
    ])
      .argument(...SPACE)
      .argument('[file]', 'where to; "-" is standard output', '-')
      .addOption(new Option('--prefix <text>', 'only keys that begin with it').default('', 'all')),
  ).action(async (space: string, file: string, options: ExportOptions) =>
    (await import('./kv-transfer.ts')).exportSpace(space, file, options),
  );
  withServer(
    subcommand(kv, 'import', 'Set keys from lines as export writes them. Other keys stay.', [
      'jord kv import carts carts.ndjson',
      `echo '{"key": "ada", "value": "[]"}' | jord kv import carts`,
    ])
      .argument(...SPACE)
      .argument('[file]', 'from where; "-" is standard input', '-'),
  ).action(async (space: string, file: string, options: ServerOptions) =>
    (await import('./kv-transfer.ts')).importSpace(space, file, options),
  );
}
