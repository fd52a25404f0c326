/** The commands of `jord` and their options. What they do is loaded when one of them runs, so that help is quick. */

import { Command, CommanderError, Option } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { CONCURRENCY_MAX } from '../functions/concurrency.ts';
import { FUNCTION_NAME_RULE } from '../functions/name.ts';
import type { DeployCommandOptions } from './deploy.ts';
import type { InvokeCommandOptions } from './invoke.ts';
import { addKv } from './kv-program.ts';
import type { JsonOptions } from './manage.ts';
import {
  collectFetchAllow,
  collectHeader,
  collectKv,
  parseDeadline,
  parseMemoryLimit,
  parseMethod,
  parseNumberWithin,
  type ServerOptions,
  serverOption,
  tokenOption,
} from './options.ts';
import { describeError, exitCodeOf } from './output.ts';
import { addServeOptions, type ServeOptions } from './serve-options.ts';

const EXIT_USAGE = 2;
const TOKEN_OF_SERVER = 'token of the server, where it has one';

/** Runs a command to its end and returns the exit code. What is wrong goes to `writeError`. */
export async function run(parameters: readonly string[], writeError: (text: string) => void): Promise<number> {
  let exitCode = 0;
  const program = createProgram((code) => {
    exitCode = code;
  }, writeError);
  try {
    await program.parseAsync(parameters, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has written its errors, and what was asked for by --help and --version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    writeError(describeError(error));
    return exitCodeOf(error);
  }
}

/** `setExitCode` gets the exit code of a command that has more to say than success or an error. */
export function createProgram(setExitCode: (code: number) => void, writeError: (text: string) => void): Command {
  const program = new Command('jord')
    .description('A worker server for WebAssembly functions, and the commands to use it.')
    .version(manifest.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .exitOverride()
    .configureOutput({ writeErr: writeError, outputError: (text, write) => write(text.replace(/^error: /, 'jord: ')) })
    .configureHelp({ showGlobalOptions: false })
    .addHelpText('after', PROGRAM_HELP);
  addServe(program);
  addDeploy(program);
  addInvoke(program, setExitCode);
  addManagement(program);
  addKv(program);
  for (const command of program.commands) pointToHelp(command, `jord ${command.name()}`);
  return program.showHelpAfterError('      `jord --help` shows what is possible.');
}

/** Where to look after wrong usage of a command, or of one below it. */
function pointToHelp(command: Command, name: string): void {
  command.showHelpAfterError(`      \`${name} --help\` shows what is possible.`);
  for (const below of command.commands) pointToHelp(below, `${name} ${below.name()}`);
}

const PROGRAM_HELP = `
Examples:
  jord serve --demo                        a server on port 8080 with the demo functions
  jord deploy hello.ts                     compile a function and deploy it
  echo world | jord invoke hello           call it
  jord list                                what is deployed
  jord kv spaces                           what is in the key-value store

Exit codes:
  0  done                    4  no such function, space or key
  1  a bug in jord           5  the function failed
  2  wrong usage             6  server busy, not reachable or stopped
  3  the input was refused`;

function addServe(program: Command): void {
  const command = program.command('serve').description('Run a server until SIGINT (Ctrl-C) or SIGTERM.');
  addServeOptions(command);
  command
    .addHelpText('after', SERVE_HELP)
    .action(async (options: ServeOptions) => (await import('./serve.ts')).serve(options));
}

const SERVE_HELP = `
The log goes to standard error. Sizes are bytes, or have a unit: 64KiB, 16MiB.

Examples:
  jord serve --demo
  jord serve --port 9000 --data /var/lib/jord --access-log
  JORD_TOKEN=… jord serve --host 0.0.0.0       managed from other machines, with the token`;

function addDeploy(program: Command): void {
  program
    .command('deploy')
    .description('Deploy a function, or replace it. Running invocations finish on the old version.')
    .argument('<file>', 'WebAssembly module (.wasm) or AssemblyScript source (.ts)')
    .option('-n, --name <name>', 'name of the function (default: of the file, without its extension)')
    .addOption(
      new Option(
        '-m, --memory-limit <bytes>',
        'memory that it may have, a multiple of 64KiB (default: 1MiB above its initial memory)',
      ).argParser(parseMemoryLimit),
    )
    .addOption(
      new Option('--deadline-ms <ms>', 'how long an invocation may take (default: 10000)').argParser(parseDeadline),
    )
    .addOption(
      new Option('--concurrency <n>', 'most invocations of it at once (default: no limit)').argParser(
        parseNumberWithin(1, CONCURRENCY_MAX),
      ),
    )
    .addOption(
      new Option(
        '--fetch-allow <origin>',
        'where it may fetch from, such as https://*.example.com; may be given several times (default: nowhere)',
      ).argParser(collectFetchAllow),
    )
    .addOption(
      new Option(
        '--kv <space:rights>',
        'a key space that it may use, such as carts:rw or catalog:ro; may be given several times (default: none)',
      ).argParser(collectKv),
    )
    .addOption(
      new Option('--runtime <runtime>', 'memory management of an AssemblyScript source (default: stub)').choices([
        'stub',
        'minimal',
        'incremental',
      ]),
    )
    .addOption(serverOption())
    .addOption(tokenOption(TOKEN_OF_SERVER))
    .option('--json', 'print what is known of the function as JSON')
    .addHelpText('after', DEPLOY_HELP)
    .action(async (file: string, options: DeployCommandOptions) => (await import('./deploy.ts')).deploy(file, options));
}

const DEPLOY_HELP = `
${FUNCTION_NAME_RULE}

Examples:
  jord deploy hello.ts
  jord deploy build/resize.wasm --name image-resize --memory-limit 64MiB
  jord deploy weather.ts --concurrency 8 --fetch-allow https://api.example.com
  jord deploy cart.ts --kv carts:rw --kv catalog:ro
  jord deploy hello.ts --json | jq -r .version`;

function addInvoke(program: Command, setExitCode: (code: number) => void): void {
  program
    .command('invoke')
    .description(
      'Call a function: the body from --data, --data-file or standard input, the response to standard output.',
    )
    .argument('<name>', 'name of the function')
    .option('-d, --data <text>', 'body of the request')
    .option('-f, --data-file <file>', 'file with the body of the request; "-" is standard input')
    .option('-t, --type <type>', 'content type of the body')
    .addOption(new Option('-X, --method <method>', 'HTTP method').default('POST').argParser(parseMethod))
    .option('--path <path>', 'path behind /fn/<name>, may have a ?query')
    .addOption(
      new Option('-H, --header <field>', 'header field "Name: value"; may be given several times').argParser(
        collectHeader,
      ),
    )
    .addOption(
      new Option('--deadline-ms <ms>', 'how long it may take, where that is less than the function may').argParser(
        parseDeadline,
      ),
    )
    .option('-i, --include', 'print status and header fields of the response before its body')
    .addOption(serverOption())
    .addHelpText('after', INVOKE_HELP)
    .action(async (name: string, options: InvokeCommandOptions) =>
      setExitCode(await (await import('./invoke.ts')).invoke(name, options)),
    );
}

const INVOKE_HELP = `
Without --data and --data-file the body is standard input, unless that is a terminal or the method is GET or HEAD.

Examples:
  jord invoke hello --data world
  jord invoke wordcount < book.txt
  jord invoke checkout --data-file order.json --type application/json
  jord invoke shop --method GET --path '/items?page=2' --include`;

function addManagement(program: Command): void {
  program
    .command('list')
    .alias('ls')
    .description('List the deployed functions.')
    .addOption(serverOption())
    .addOption(tokenOption(TOKEN_OF_SERVER))
    .option('--json', 'print all details as JSON')
    .addHelpText('after', `\nExamples:\n  jord list\n  jord list --json | jq -r '.functions[].name'`)
    .action(async (options: JsonOptions) => (await import('./manage.ts')).list(options));
  program
    .command('inspect')
    .description('Show what is known of a function.')
    .argument('<name>', 'name of the function')
    .addOption(serverOption())
    .addOption(tokenOption(TOKEN_OF_SERVER))
    .option('--json', 'print it as JSON')
    .addHelpText('after', '\nExamples:\n  jord inspect hello\n  jord inspect hello --json')
    .action(async (name: string, options: JsonOptions) => (await import('./manage.ts')).inspect(name, options));
  program
    .command('remove')
    .alias('rm')
    .description('Remove functions. Running invocations finish.')
    .argument('<name...>', 'names of the functions')
    .addOption(serverOption())
    .addOption(tokenOption(TOKEN_OF_SERVER))
    .addHelpText('after', '\nExamples:\n  jord remove hello\n  jord remove catalog currency tax')
    .action(async (names: readonly string[], options: ServerOptions) =>
      (await import('./manage.ts')).remove(names, options),
    );
  program
    .command('stats')
    .description('Show what the server has counted: functions, executors, requests.')
    .addOption(serverOption())
    .addOption(tokenOption(TOKEN_OF_SERVER))
    .option('--json', 'print all of it as JSON')
    .addHelpText('after', `\nExamples:\n  jord stats\n  jord stats --json | jq '.functions[].serviceUs.p99'`)
    .action(async (options: JsonOptions) => (await import('./stats.ts')).stats(options));
}
