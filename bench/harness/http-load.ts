/**
 * A closed loop over HTTP: so many connections, each of which sends its next request when the response to the last one is
 * there. It measures how much a server can do. What it says about latency holds for a server under full load only.
 */
import { HttpConnection, type HttpResponse, type HttpTarget } from './http-wire.ts';
import { LatencyHistogram } from './latency-histogram.ts';

export const CONNECTIONS_DEFAULT = 32;
/** A server that takes longer for a response is stuck. */
const RESPONSE_TIMEOUT_MS_DEFAULT = 10_000;

export interface HttpLoadOptions {
  readonly connections?: number;
  /** When given, responses of any other length are errors. */
  readonly bodyBytes?: number;
  /** How long `run` waits, after its end, for responses under way. */
  readonly responseTimeoutMs?: number;
}

export interface HttpLoadResult {
  /** Responses that came within the time. */
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Of all requests that were sent within the time. */
  readonly latency: LatencyHistogram;
  /** Share of one core that this process used: near 1 it is the load generator that is measured, not the server. */
  readonly cpuShare: number;
}

interface Run {
  readonly startMs: number;
  readonly endMs: number;
  readonly latency: LatencyHistogram;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  requests: number;
  /** Connections with a request under way. */
  busy: number;
}

/**
 * Keeps its connections from run to run. Everything but a response with status 200 (and of the right length, where one is
 * given) fails the run and closes all connections: what is measured must not be a refusal.
 */
export class HttpLoad {
  readonly #target: HttpTarget;
  readonly #bodyBytes: number | undefined;
  readonly #responseTimeoutMs: number;
  readonly #connections: HttpConnection[] = [];
  /** When each connection sent its request. */
  readonly #sentAtMs: Float64Array;
  #run: Run | undefined;
  #error: Error | undefined;

  constructor(target: HttpTarget, options: HttpLoadOptions = {}) {
    const { connections = CONNECTIONS_DEFAULT, bodyBytes, responseTimeoutMs = RESPONSE_TIMEOUT_MS_DEFAULT } = options;
    if (!(connections >= 1)) throw new RangeError(`a load needs at least one connection, not ${connections}`);
    this.#target = target;
    this.#bodyBytes = bodyBytes;
    this.#responseTimeoutMs = responseTimeoutMs;
    this.#sentAtMs = new Float64Array(connections);
    for (let index = 0; index < connections; index++) {
      this.#connections.push(
        new HttpConnection(target, {
          response: (response) => this.#onResponse(index, response),
          closed: (error) => this.#fail(error ?? new Error('the server closed a connection')),
        }),
      );
    }
  }

  /** Sends requests for this long, then waits for the responses under way. One run at a time. */
  async run(durationMs: number): Promise<HttpLoadResult> {
    if (this.#run !== undefined) throw new Error('a run is under way');
    if (this.#error !== undefined) throw this.#error;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cpuBefore = process.cpuUsage();
    const startMs = performance.now();
    const latency = new LatencyHistogram();
    const run: Run = { startMs, endMs: startMs + durationMs, latency, resolve, reject, requests: 0, busy: 0 };
    this.#run = run;
    for (const index of this.#connections.keys()) this.#send(run, index, startMs);
    const stuck = setTimeout(
      () => this.#fail(new Error(`the server left a request without a response for ${this.#responseTimeoutMs} ms`)),
      durationMs + this.#responseTimeoutMs,
    );
    try {
      await promise;
    } finally {
      clearTimeout(stuck);
      this.#run = undefined;
    }
    const elapsedMs = performance.now() - startMs;
    const { user, system } = process.cpuUsage(cpuBefore);
    return {
      requests: run.requests,
      requestsPerSecond: (run.requests * 1000) / durationMs,
      latency,
      cpuShare: (user + system) / 1000 / elapsedMs,
    };
  }

  close(): void {
    this.#error ??= new Error('the load generator is closed');
    for (const connection of this.#connections) connection.close();
  }

  #send(run: Run, index: number, nowMs: number): void {
    this.#sentAtMs[index] = nowMs;
    run.busy++;
    this.#connections[index]?.send(this.#target.request);
  }

  #onResponse(index: number, response: HttpResponse): void {
    const run = this.#run;
    if (run === undefined) return;
    const wrong = this.#whatIsWrong(response);
    if (wrong !== undefined) {
      this.#fail(new Error(wrong));
      return;
    }
    const nowMs = performance.now();
    run.latency.record(nowMs - (this.#sentAtMs[index] ?? Number.NaN));
    run.busy--;
    if (nowMs < run.endMs) {
      run.requests++;
      this.#send(run, index, nowMs);
    } else if (run.busy === 0) run.resolve();
  }

  #whatIsWrong({ status, bodyBytes, keepsOpen }: HttpResponse): string | undefined {
    if (status !== 200) return `the server answered with status ${status} instead of 200`;
    if (this.#bodyBytes !== undefined && bodyBytes !== this.#bodyBytes) {
      return `the server answered with ${bodyBytes} bytes instead of ${this.#bodyBytes}`;
    }
    return keepsOpen ? undefined : 'the server does not keep the connection open';
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#run?.reject(this.#error);
    for (const connection of this.#connections) connection.close();
  }
}
