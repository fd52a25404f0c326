/** An open loop over HTTP: the arrivals of open-loop.ts, on a pool of keep-alive connections that grows when all are busy. */
import { HttpConnection, type HttpResponse, type HttpTarget } from './http-wire.ts';
import { type OpenLoopOptions, type OpenLoopResult, type Outcome, runOpenLoop } from './open-loop.ts';

export interface HttpOpenLoopOptions extends Omit<OpenLoopOptions, 'send'> {
  readonly target: HttpTarget;
  /** Connections that are there before the first request, so that opening them costs nothing then. Default: 0. */
  readonly connectionsInitial?: number;
  /** Most connections at a time; a request that finds all busy waits for one, and its latency goes on. Default: 1,024. */
  readonly connectionsMax?: number;
}

export interface HttpOpenLoopResult extends OpenLoopResult {
  /** Connections that were opened, warm-up included. */
  readonly connectionsOpened: number;
  /**
   * Requests that had to wait for a connection since as many as allowed were busy, warm-up included. Such a request reaches
   * the server late, so where this is not 0 the server was offered less than was due.
   */
  readonly waitedForConnection: number;
  /** What the failed requests met, and how often: a status, or an error of the connection. Warm-up included. */
  readonly failures: ReadonlyMap<string, number>;
}

const CONNECTIONS_MAX_DEFAULT = 1024;
/** How long the end of a run waits until the server has dealt with what is under way, so that the next finds it idle. */
const SETTLE_MS_MAX = 10_000;

/** 200 is ok, 503 is refused, anything else has failed: an other status, a response that is not understood, a lost connection. */
export async function runHttpOpenLoop(options: HttpOpenLoopOptions): Promise<HttpOpenLoopResult> {
  const { target, connectionsInitial = 0, connectionsMax = CONNECTIONS_MAX_DEFAULT, ...loop } = options;
  if (!(connectionsMax >= 1)) throw new RangeError(`connectionsMax must be at least 1, not ${connectionsMax}`);
  const pool = new HttpPool(target, connectionsMax);
  try {
    await pool.open(Math.min(connectionsInitial, connectionsMax));
    const result = await runOpenLoop({ ...loop, send: (_index, done) => pool.send(done) });
    const { connectionsOpened, waitedForConnection, failures } = pool;
    return { ...result, connectionsOpened, waitedForConnection, failures };
  } finally {
    await pool.close(SETTLE_MS_MAX);
  }
}

type Done = (outcome: Outcome) => void;

class HttpPool {
  readonly #target: HttpTarget;
  readonly #connectionsMax: number;
  /** The one that was used last is taken first. May hold some that are closed. */
  readonly #idle: HttpConnection[] = [];
  /** Requests under way. */
  readonly #busy = new Map<HttpConnection, Done>();
  #open = 0;
  /** Requests that wait for a connection, from `#waitingFirst` on. */
  #waiting: Done[] = [];
  #waitingFirst = 0;
  #onSettled: (() => void) | undefined;
  connectionsOpened = 0;
  waitedForConnection = 0;
  readonly failures = new Map<string, number>();

  constructor(target: HttpTarget, connectionsMax: number) {
    this.#target = target;
    this.#connectionsMax = connectionsMax;
  }

  /** Opens connections, and returns when they are there. Throws an Error when they cannot be had. */
  async open(count: number): Promise<void> {
    const connections = Array.from({ length: count }, () => this.#connect());
    await Promise.all(connections.map((connection) => connection.connected()));
    this.#idle.push(...connections);
    const [failure] = this.failures.keys();
    if (failure !== undefined) throw new Error(`cannot connect: ${failure}`);
  }

  send(done: Done): void {
    const connection = this.#takeIdle() ?? (this.#open < this.#connectionsMax ? this.#connect() : undefined);
    if (connection === undefined) {
      this.waitedForConnection++;
      this.#waiting.push(done);
    } else this.#sendOn(connection, done);
  }

  /** Forgets requests that wait, waits for the responses under way, and closes all connections. */
  async close(settleMsMax: number): Promise<void> {
    this.#waiting = [];
    this.#waitingFirst = 0;
    if (this.#busy.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onSettled = resolve;
      const timer = setTimeout(resolve, settleMsMax);
      await promise;
      clearTimeout(timer);
    }
    for (const connection of [...this.#idle, ...this.#busy.keys()]) connection.close();
  }

  #connect(): HttpConnection {
    const connection = new HttpConnection(this.#target, {
      response: (response) => this.#onResponse(connection, response),
      closed: (error) => this.#onClosed(connection, error),
    });
    this.#open++;
    this.connectionsOpened++;
    return connection;
  }

  #takeIdle(): HttpConnection | undefined {
    let connection = this.#idle.pop();
    while (connection !== undefined && !connection.isOpen) connection = this.#idle.pop();
    return connection;
  }

  #sendOn(connection: HttpConnection, done: Done): void {
    this.#busy.set(connection, done);
    connection.send(this.#target.request);
  }

  #onResponse(connection: HttpConnection, { status }: HttpResponse): void {
    if (status !== 200 && status !== 503) this.#countFailure(`status ${status}`);
    this.#finish(connection, status === 200 ? 'ok' : status === 503 ? 'refused' : 'failed');
    if (!connection.isOpen) return;
    const next = this.#takeWaiting();
    if (next === undefined) this.#idle.push(connection);
    else this.#sendOn(connection, next);
  }

  /** A closed connection makes room for another. */
  #onClosed(connection: HttpConnection, error: Error | undefined): void {
    this.#open--;
    if (error !== undefined) this.#countFailure(error.message);
    this.#finish(connection, 'failed');
    const next = this.#takeWaiting();
    if (next !== undefined) this.#sendOn(this.#connect(), next);
  }

  #finish(connection: HttpConnection, outcome: Outcome): void {
    const done = this.#busy.get(connection);
    if (done === undefined) return;
    this.#busy.delete(connection);
    done(outcome);
    if (this.#busy.size === 0) this.#onSettled?.();
  }

  #takeWaiting(): Done | undefined {
    const done = this.#waiting[this.#waitingFirst];
    if (done !== undefined) this.#waitingFirst++;
    return done;
  }

  #countFailure(what: string): void {
    this.failures.set(what, (this.failures.get(what) ?? 0) + 1);
  }
}
