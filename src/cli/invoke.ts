/** `jord invoke`: one invocation over HTTP, from standard input to standard output. */

import { JordError } from '../errors.ts';
import { DEADLINE_FIELD } from '../functions/deadline.ts';
import { Client } from './client.ts';
import { type DataOptions, readData } from './input.ts';
import type { ServerOptions } from './options.ts';
import { printable } from './output.ts';

export interface InvokeCommandOptions extends ServerOptions, DataOptions {
  readonly type?: string;
  readonly method: string;
  readonly path?: string;
  readonly header?: readonly (readonly [string, string])[];
  readonly deadlineMs?: number;
  readonly include?: boolean;
}

/** Returns the exit code: 5 when the function itself answers with an error status, 0 otherwise. */
export async function invoke(name: string, options: InvokeCommandOptions): Promise<number> {
  const body = await readBody(options);
  const [path = '', query = ''] = splitOnce(options.path ?? '', '?');
  const response = await new Client(options).invoke(name, {
    method: options.method,
    path: path === '' || path.startsWith('/') ? path : `/${path}`,
    query,
    headers: [
      ...(options.type === undefined ? [] : [['content-type', options.type] as const]),
      ...(options.deadlineMs === undefined ? [] : [[DEADLINE_FIELD, String(options.deadlineMs)] as const]),
      ...(options.header ?? []),
    ],
    body,
  });
  if (options.include === true) process.stdout.write(describeHead(response));
  const answer = Buffer.from(await response.arrayBuffer());
  process.stdout.write(answer);
  // A prompt belongs on a line of its own.
  if (process.stdout.isTTY && answer.length > 0 && answer.at(-1) !== 0x0a) process.stdout.write('\n');
  if (response.status < 400) return 0;
  process.stderr.write(`jord: The function answered with status ${response.status}.\n`);
  return 5;
}

function hasNoBody(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

async function readBody(options: InvokeCommandOptions): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const { data, dataFile, method } = options;
  if (!hasNoBody(method)) return readData(options);
  if (data === undefined && dataFile === undefined) return undefined;
  throw new JordError('BAD_OPTION', `${method} is sent without a body. Choose another --method, such as POST.`);
}

function splitOnce(text: string, separator: string): readonly string[] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function describeHead(response: Response): string {
  const fields = [...response.headers].map(([name, value]) => `${name}: ${printable(value)}\n`);
  return `${response.status} ${printable(response.statusText)}\n${fields.join('')}\n`;
}
