/**
 * Outbound HTTP requests, as an executor sees them. Its thread never returns to its event loop, so another thread, the I/O
 * thread, talks to the network (outbound-worker.ts); commands and answers go through a MessagePort that is read without an
 * event loop.
 *
 * What the allow-list of a function protects: its requests go to those schemes, host names and ports that the operator named,
 * and to no others. The URL that is checked is the one that is requested, character for character. Redirects are not
 * followed: a server that is allowed cannot lead a function to one that is not.
 *
 * What it does not protect: names are checked, not the addresses that they resolve to. Whoever controls the DNS of an allowed
 * name (or any name below an allowed wildcard) can make it mean any address: loopback, a private network, a cloud's metadata
 * service; and may answer differently each time it is asked. So allow only names whose DNS is trusted, or keep the worker
 * server's network away from what functions must not reach. Ports that browsers refuse (such as 25) are never reached.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { BAD_PARAMETER, IO_FAILED, NOT_ALLOWED, TABLE_EXHAUSTED } from '../../../core/status.ts';
import { parseRequest } from './message.ts';
import { type Answer, type Command, type FetchCommand, LINK_LOST, type Link } from './protocol.ts';

/** Most requests of one executor under way at once; those that were cancelled count until the I/O thread has ended them. */
export const UNDER_WAY_MAX = 1024;

/** Whether a function with this allow-list may request this URL. */
export type IsAllowed = (list: readonly string[], url: URL) => boolean;

/** Why a request did not begin: BAD_PARAMETER, NOT_ALLOWED, TABLE_EXHAUSTED or IO_FAILED. */
export interface OutboundRefusal {
  readonly status: number;
}

/** One for an executor, on its thread. */
export class Outbound {
  readonly #isAllowed: IsAllowed;
  #port: MessagePort;
  #linkState: Int32Array;
  #tokenLast = 0;
  /** Tokens whose answer is wanted, or is only to come. */
  readonly #underWay = new Set<number>();
  readonly #cancelled = new Set<number>();
  /** Tokens whose answer cannot come any more, and that `poll` has not told of yet. */
  readonly #lost = new Set<number>();

  /** The port is what `OutboundThread.connect` returned. */
  constructor(port: MessagePort, isAllowed: IsAllowed) {
    this.#isAllowed = isAllowed;
    this.#port = port;
    this.#linkState = takeLink(port);
  }

  /** The I/O thread has ended. What is under way fails, and so does all that begins before `reconnect`. */
  get isLost(): boolean {
    return Atomics.load(this.#linkState, 0) === LINK_LOST;
  }

  /** Goes on with another port from `OutboundThread.connect`. What is under way fails with IO_FAILED. */
  reconnect(port: MessagePort): void {
    this.#lose();
    this.#port.close();
    this.#port = port;
    this.#linkState = takeLink(port);
  }

  /**
   * Begins a request. Returns a token, which is never reused, or at once why there is none.
   *
   * Copies the request, which may be in shared memory; throws RangeError when there is no memory for its body.
   *
   * @param request text as docs/abi.md ("Fetch") has it
   * @param timeoutMs how long everything may take, up to the last byte of the response: then it ends with IO_FAILED
   */
  begin(request: Uint8Array, allow: readonly string[], timeoutMs: number): number | OutboundRefusal {
    const parsed = parseRequest(request);
    if (parsed === undefined) return { status: BAD_PARAMETER };
    if (!this.#isAllowed(allow, parsed.url)) return { status: NOT_ALLOWED };
    if (this.#underWay.size + this.#cancelled.size >= UNDER_WAY_MAX) return { status: TABLE_EXHAUSTED };
    if (this.isLost) return { status: IO_FAILED };

    const { method, url, headers } = parsed;
    const token = ++this.#tokenLast;
    // Not `slice`, which is no copy when the request is a Buffer.
    const body = new Uint8Array(parsed.body);
    const command: FetchCommand = { kind: 'fetch', token, method, url: url.href, headers, body, timeoutMs };
    this.#port.postMessage(command, [body.buffer]);
    this.#underWay.add(token);
    return token;
  }

  /** Ends a request, and `poll` will not tell of it. Nothing happens when it did already. */
  cancel(token: number): void {
    if (this.#lost.delete(token) || !this.#underWay.delete(token)) return;
    this.#cancelled.add(token);
    const command: Command = { kind: 'cancel', token };
    this.#port.postMessage(command);
  }

  /**
   * The next request that has ended: the text of its response, the caller's own, or IO_FAILED or TOO_LARGE. Undefined for
   * none. Set EXECUTOR_MESSAGES to 0 first, then poll until nothing is left: then no answer is missed.
   */
  poll(): Answer | undefined {
    // First, since answers that came before the end are answers.
    const isLost = this.isLost;
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) break;
      const answer: Answer = received.message;
      if (this.#underWay.delete(answer.token)) return answer;
      this.#cancelled.delete(answer.token);
    }
    if (isLost) this.#lose();
    for (const token of this.#lost) {
      this.#lost.delete(token);
      return { token, result: IO_FAILED };
    }
    return undefined;
  }

  #lose(): void {
    for (const token of this.#underWay) this.#lost.add(token);
    this.#underWay.clear();
    this.#cancelled.clear();
  }
}

function takeLink(port: MessagePort): Int32Array {
  const received = receiveMessageOnPort(port);
  if (received === undefined)
    throw new TypeError('The port is not one from OutboundThread.connect, or was used before.');
  const link: Link = received.message;
  return link.state;
}
