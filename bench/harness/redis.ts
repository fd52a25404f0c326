/** A Redis of the experiment's own, where one is installed, and a client that has one request or many under way. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HOST } from './server-process.ts';

export interface Redis {
  readonly port: number;
  readonly stop: () => Promise<void>;
}

const START_TRIES_MAX = 100;
const START_PAUSE_MS = 50;

/** `isDurable`: each write is on disk before it is answered; otherwise nothing is written. Undefined where it is not installed. */
export async function startRedis(isDurable: boolean): Promise<Redis | undefined> {
  const folder = await mkdtemp(path.join(tmpdir(), 'jord-redis-'));
  const port = await freePort();
  const persistence = isDurable ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no'];
  const options = ['--bind', HOST, '--port', String(port), '--dir', folder, '--save', '', ...persistence];
  const child = spawn('redis-server', options, { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const stop = async (): Promise<void> => {
    child.kill();
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  for (let tries = 0; child.exitCode === null && tries < START_TRIES_MAX; tries++) {
    const client = await RedisClient.open(port).catch(() => undefined);
    if (client !== undefined) {
      client.close();
      return { port, stop };
    }
    const isOver = await Promise.race([ended.then(() => true), pause()]);
    if (isOver === true) break;
  }
  await stop();
  return undefined;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, START_PAUSE_MS));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}

/** Speaks RESP (https://redis.io/docs/latest/develop/reference/protocol-spec/), as far as GET and SET need it. */
export class RedisClient {
  readonly #socket: Socket;
  /** What has arrived of a reply that is not whole, in pieces, and how much there must be before it is worth a look. */
  #pieces: Buffer[] = [];
  #bytes = 0;
  #bytesWanted = 0;
  readonly #waiting: ((reply: Buffer) => void)[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  static async open(port: number): Promise<RedisClient> {
    const socket = connect(port, HOST);
    await once(socket, 'connect');
    return new RedisClient(socket);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** The value; empty where there is none. */
  get(key: string): Promise<Buffer> {
    return this.#ask(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`, undefined);
  }

  /** Throws an Error when it is refused. */
  async set(key: string, value: Buffer): Promise<void> {
    const reply = await this.#ask(`*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${value.length}\r\n`, value);
    if (reply.toString() !== 'OK') throw new Error(`Redis says ${reply}`);
  }

  #ask(head: string, value: Buffer | undefined): Promise<Buffer> {
    this.#socket.cork();
    this.#socket.write(head);
    if (value !== undefined) {
      this.#socket.write(value);
      this.#socket.write('\r\n');
    }
    this.#socket.uncork();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #take(chunk: Buffer): void {
    this.#pieces.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#bytesWanted) return;
    let rest = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces);
    this.#bytesWanted = 0;
    while (this.#bytesWanted === 0) rest = rest.subarray(this.#reply(rest));
    this.#pieces = [rest];
    this.#bytes = rest.length;
  }

  /** Hands on the reply at the beginning, and returns how long it is; 0 where it is not whole. */
  #reply(rest: Buffer): number {
    const lineEnd = rest.indexOf('\r\n');
    this.#bytesWanted = rest.length + 1;
    if (lineEnd < 0) return 0;
    const line = rest.toString('latin1', 1, lineEnd);
    const isBulk = rest[0] === '$'.charCodeAt(0) && line !== '-1';
    const end = lineEnd + 2 + (isBulk ? Number(line) + 2 : 0);
    this.#bytesWanted = end;
    if (rest.length < end) return 0;
    this.#bytesWanted = 0;
    this.#waiting.shift()?.(isBulk ? rest.subarray(lineEnd + 2, end - 2) : Buffer.from(line === '-1' ? '' : line));
    return end;
  }
}
