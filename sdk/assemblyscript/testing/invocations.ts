/** Starts others and itself, and waits for them. */
import {
  ArgBuf,
  Invocation,
  Request,
  resolve,
  Response,
  sleep,
  start,
  TextWriter,
  time,
  waitAll,
  waitAny,
} from 'jord';
import { describe, write } from './describe';

export function handle(request: Request): Response {
  if (!request.isHttp) return started(request);
  const path = request.path;
  if (path == '/by-name') return describe(start('echo', ArgBuf.text('to echo')).wait());
  if (path == '/by-reference') return describe(start(resolve('echo'), ArgBuf.text('to echo')).wait());
  if (path == '/by-method') return describe(resolve('echo').start(ArgBuf.text('to echo')).wait());
  if (path == '/nothing') return describe(start('echo').wait());
  if (path == '/empty') return describe(start('echo', new ArgBuf(0)).wait());
  if (path == '/no-response') return describe(start('calls', ArgBuf.text('silence;')).wait());
  if (path == '/moves') return moves(request);
  if (path == '/unknown') return unknown(request);
  if (path == '/again') return again();
  if (path == '/all') return all();
  if (path == '/any') return any();
  if (path == '/first') return first();
  if (path == '/none') return Response.text(`${waitAny([])} ${waitAll([]).length}`);
  if (path == '/cancel') return cancel();
  if (path == '/cancel-running') return cancelRunning();
  if (path == '/left') return left();
  if (path == '/many') return many(i32(parseInt(request.query)));
  if (path == '/deep') return new Response(start('invocations', ArgBuf.text('deep ' + request.query)).wait().response);
  if (path == '/sleep') return nap(i32(parseInt(request.query)));
  if (path == '/sleepers') return sleepers(i32(parseInt(request.query)));
  throw new Error(path);
}

/** What it does when it was started: `<what> <number>`. */
function started(request: Request): Response {
  const space = request.indexOf(0x20);
  const number = i32(parseInt(request.slice(space + 1).text()));
  if (request.slice(0, space).is('sleep')) return nap(number);
  if (number == 0) return Response.text('bottom');
  return new Response(start('invocations', ArgBuf.text(`deep ${number - 1}`)).wait().response);
}

/** The time that it took. */
function nap(milliseconds: i32): Response {
  const began = time();
  sleep(milliseconds);
  return Response.text((time() - began).toString());
}

/** The request is gone with the start, and is the response in the end. */
function moves(request: Request): Response {
  const pointer = request.pointer;
  const before = request.isHere;
  const invocation = start('echo', request);
  const after = request.isHere;
  const result = invocation.wait();
  return Response.text(`${before} ${after} ${result.response.pointer == pointer} ${result.response.text()}`);
}

function unknown(request: Request): Response {
  const byName = start('no such function', request);
  const byReference = resolve('näme').start(request);
  const out = new TextWriter();
  out.text(`${byName.ok} ${byName.status} ${byName.isSettled} ${byReference.ok} ${byReference.status}; `);
  write(out, byName.wait()).text('; ');
  write(out, byReference.wait()).text(`; ${byName.isSettled} ${byName.cancel()} ${request.isHere} `).bytes(request);
  return out.response();
}

/** Waiting again makes no difference. */
function again(): Response {
  const invocation = start('echo', ArgBuf.text('once'));
  const before = invocation.isSettled;
  const result = invocation.wait();
  const same = invocation.wait() == result && waitAll([invocation, invocation])[1] == result;
  return Response.text(`${before} ${invocation.isSettled} ${same} ${waitAny([invocation])} ${invocation.cancel()}`);
}

function all(): Response {
  const invocations = various();
  invocations[1].wait();
  const results = waitAll(invocations);
  const out = new TextWriter();
  for (let i = 0; i < results.length; i++) write(out, results[i]).byte(0x0a);
  return out.response();
}

/** The results as they come, with their indices. */
function any(): Response {
  const invocations = various();
  const out = new TextWriter();
  for (let i = waitAny(invocations); i >= 0; i = waitAny(invocations)) {
    // One that has ended stays so until it is waited for.
    const isSame = waitAny([invocations[i]]) == 0;
    write(out.text(`${i} ${isSame} `), invocations[i].wait()).byte(0x0a);
  }
  return out.response();
}

function various(): Invocation[] {
  return [
    start('echo', ArgBuf.text('first')),
    start('echo', ArgBuf.text('second')),
    start('calls', ArgBuf.text('trap;')),
    start('nowhere', ArgBuf.text('third')),
    start('echo'),
    start('echo', ArgBuf.text('last')),
  ];
}

/** The one that sleeps less ends first. */
function first(): Response {
  const invocations = [
    start('invocations', ArgBuf.text('sleep 400')),
    start('invocations', ArgBuf.text('sleep 20')),
    start('invocations', ArgBuf.text('sleep 200')),
  ];
  const out = new TextWriter();
  for (let i = waitAny(invocations); i >= 0; i = waitAny(invocations)) {
    out.integer(i).text(invocations[i].wait().ok ? ' ' : '! ');
  }
  return out.response();
}

function cancel(): Response {
  const invocation = start('echo', ArgBuf.text('never mind'));
  const first = invocation.cancel();
  const second = invocation.cancel();
  const result = invocation.wait();
  const out = new TextWriter();
  out.text(`${first} ${second} ${invocation.ok} ${invocation.isSettled} ${waitAny([invocation])} `);
  return write(out, result).response();
}

/** Of two that sleep, the one that goes on sleeping is cancelled. */
function cancelRunning(): Response {
  const invocations = [
    start('invocations', ArgBuf.text('sleep 8000')),
    start('invocations', ArgBuf.text('sleep 10')),
  ];
  const index = waitAny(invocations);
  const status = invocations[0].cancel();
  return Response.text(`${index} ${status} ${invocations[1].wait().ok} ${invocations[0].wait().statusName}`);
}

/** Ends before what it started does. */
function left(): Response {
  start('invocations', ArgBuf.text('sleep 8000'));
  start('echo', ArgBuf.text('left alone'));
  return Response.text('done');
}

function many(count: i32): Response {
  const invocations: Invocation[] = [];
  for (let i = 0; i < count; i++) invocations.push(start('echo', ArgBuf.text(i.toString())));
  const results = waitAll(invocations);
  let right = 0;
  for (let i = 0; i < count; i++) if (results[i].response.is(i.toString())) right++;
  return Response.text(right.toString());
}

/** Many that sleep for 100 ms; the time that all of them took. */
function sleepers(count: i32): Response {
  const began = time();
  const invocations: Invocation[] = [];
  for (let i = 0; i < count; i++) invocations.push(start('invocations', ArgBuf.text('sleep 100')));
  const results = waitAll(invocations);
  for (let i = 0; i < count; i++) assert(results[i].ok, results[i].statusName);
  return Response.text((time() - began).toString());
}
