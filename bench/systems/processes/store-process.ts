/** The process of the store: see processes.ts. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { HOST } from '../../harness/server-process.ts';
import type { KvValue } from '../plain/kv-client.ts';
import { KvStore } from '../plain/kv-store.ts';
import type { StoreStart } from './processes.ts';
import {
  ADD,
  DELETE,
  decodeRequest,
  EXPIRE,
  encodeAnswer,
  Frames,
  GET,
  LIST,
  OPEN,
  PUT,
  type StoreRequest,
} from './store-wire.ts';

const EMPTY = new Uint8Array(0);
const TICK_MS = 10;

const [{ spaces, entries }] = (await once(process, 'message')) as [StoreStart];
const store = new KvStore();
store.load({ spaces, entries: () => entries });

function answerFound(number: number, found: KvValue | number): Buffer {
  if (typeof found === 'number') return encodeAnswer(number, { result: BigInt(found), value: EMPTY });
  const answer = encodeAnswer(number, { result: found.version, value: found.value });
  found.release();
  return answer;
}

function answerAdd(number: number, sum: bigint | number): Buffer {
  if (typeof sum === 'number') return encodeAnswer(number, { result: BigInt(sum), value: EMPTY });
  const value = Buffer.alloc(8);
  value.writeBigInt64LE(sum);
  return encodeAnswer(number, { result: 0n, value });
}

function answerTo(number: number, { operation, space, key, secondKey, a, b, value }: StoreRequest): Buffer {
  const status = (result: number | bigint): Buffer => encodeAnswer(number, { result: BigInt(result), value: EMPTY });
  switch (operation) {
    case OPEN:
      return status(store.open(Buffer.from(key).toString('utf8')));
    case GET:
      return answerFound(number, store.get(space, key));
    case PUT:
      return status(store.put(space, key, value, a, b));
    case DELETE:
      return status(store.delete(space, key, a));
    case ADD:
      return answerAdd(number, store.add(space, key, a));
    case EXPIRE:
      return status(store.expire(space, key, a));
    case LIST:
      return answerFound(number, store.list(space, key, secondKey, Number(a)));
    default:
      throw new Error(`there is no operation ${operation}`);
  }
}

setInterval(() => store.tick(), TICK_MS).unref();
const server = createServer({ noDelay: true }, (socket) => {
  const frames = new Frames((frame) => {
    const { number, ...request } = decodeRequest(frame);
    socket.write(answerTo(number, request));
  });
  socket.on('data', (bytes) => {
    // Answers to what came together go together.
    socket.cork();
    frames.push(bytes as Buffer);
    socket.uncork();
  });
  socket.on('error', () => socket.destroy());
});
process.once('disconnect', () => process.exit());
server.listen(0, HOST);
await once(server, 'listening');
process.send?.((server.address() as AddressInfo).port);
