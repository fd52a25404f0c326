/** The writer thread of the key-value store: disk.ts has the main thread's end. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { JordError } from '../../errors.ts';
import { KvDatabase } from './database.ts';
import type { FromWriter, ToWriter, WriterData, WriterRequest } from './protocol.ts';
import { KvWriter } from './writer.ts';

if (parentPort === null) throw new Error('the writer thread has a parent');
const port = parentPort;
const data = workerData as WriterData;

function post(message: FromWriter): void {
  port.postMessage(message);
}

function open(): KvDatabase | undefined {
  try {
    return new KvDatabase(data.folder, data.options);
  } catch (error) {
    const details = error instanceof JordError ? error.details : {};
    post({ kind: 'failed', message: error instanceof Error ? error.message : String(error), details });
    return undefined;
  }
}

/** Returns the result. */
function perform(request: WriterRequest, database: KvDatabase, writer: KvWriter): number {
  switch (request.kind) {
    case 'save':
      return database.transaction(() => database.saveSpace(request.settings));
    case 'bind':
      writer.bind(request.space);
      return 0;
    case 'drop':
      database.transaction(() => database.dropSpace(request.name, request.version));
      writer.forget(request.name);
      return 0;
    case 'limitPages':
      database.limitPages(request.pagesMax);
      return 0;
    case 'stop':
      if (!writer.finish()) throw new Error('not all that was changed is on disk');
      return 0;
    default:
      return request satisfies never;
  }
}

function run(database: KvDatabase): void {
  const writer = new KvWriter(data.addressSpace, data.shared, database, (level, message) =>
    post({ kind: 'log', level, message }),
  );
  for (const space of data.spaces) writer.bind(space);
  post({ kind: 'ready' });
  writer.run(() => {
    for (let received = receiveMessageOnPort(port); received !== undefined; received = receiveMessageOnPort(port)) {
      const { id, request } = received.message as ToWriter;
      let result = 0;
      let error: string | undefined;
      try {
        result = perform(request, database, writer);
      } catch (thrown) {
        error = thrown instanceof Error ? thrown.message : String(thrown);
      }
      post({ kind: 'answer', id, result, error });
      if (request.kind === 'stop') return false;
    }
    return true;
  });
}

const database = open();
if (database !== undefined) {
  run(database);
  database.close();
}
