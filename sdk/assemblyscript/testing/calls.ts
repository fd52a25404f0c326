/** Calls itself and others, well and badly. */
import {
  ArgBuf,
  call,
  FunctionReference,
  Request,
  resolve,
  Response,
  Status,
  statusName,
  TextWriter,
} from 'jord';
import { describe } from './describe';

export function handle(request: Request): Response {
  // A nested call has no path, so what is to be done comes first in the body.
  const what = request.isHttp ? request.path : '/' + request.slice(0, request.indexOf(0x3b)).text();
  if (what == '/echo') return new Response(request);
  if (what == '/by-name') return describe(call('echo', ArgBuf.text('to echo')));
  if (what == '/by-reference') return describe(call(resolve('echo'), ArgBuf.text('to echo')));
  if (what == '/by-method') return describe(resolve('echo').call(ArgBuf.text('to echo')));
  if (what == '/nothing') return describe(call('echo'));
  if (what == '/empty') return describe(call('echo', new ArgBuf(0)));
  if (what == '/forward') return new Response(call('echo', request).response);
  if (what == '/no-response') return describe(call('calls', ArgBuf.text('silence;')));
  if (what == '/silence') return Response.empty();
  if (what == '/unknown') return unknown(request);
  if (what == '/unresolved') return unresolved();
  if (what == '/fault') return fault(request.query);
  if (what == '/depth') return depth(0);
  if (what == '/deeper') return depth(request.load<i32>(7));
  if (what == '/gone') return gone();
  if (what == '/twice') return twice();
  if (what == '/address') return address();
  if (what == '/where') return where(request);
  if (what == '/names') return names();
  return fail(what);
}

/** The callee was never there, so the request is still here. */
function unknown(request: Request): Response {
  const before = request.pointer;
  const result = call('no such function', request);
  const out = new TextWriter();
  out
    .integer(result.status)
    .byte(0x20)
    .text(result.statusName)
    .byte(0x20)
    .integer(<i32>request.isHere)
    .byte(0x20);
  out
    .integer(<i32>(request.pointer == before))
    .byte(0x20)
    .bytes(request);
  return out.response();
}

function unresolved(): Response {
  const missing = resolve('näme');
  const result = missing.call(ArgBuf.text('x'));
  const out = new TextWriter();
  out
    .integer(<i32>missing.ok)
    .byte(0x20)
    .integer(missing.status)
    .byte(0x20)
    .integer(result.status)
    .byte(0x20);
  out
    .integer(<i32>resolve('echo').ok)
    .byte(0x20)
    .integer(resolve('echo').status);
  return out.response();
}

/** The callee fails in the way the query says; its request is gone with it. */
function fault(how: string): Response {
  const request = ArgBuf.text(how + ';');
  const result = call('calls', request);
  const out = new TextWriter();
  out
    .integer(result.status)
    .byte(0x20)
    .text(result.statusName)
    .byte(0x20)
    .integer(<i32>request.isHere)
    .byte(0x20);
  out.integer(result.response.length);
  return out.response();
}

function fail(how: string): Response {
  if (how == '/trap') unreachable();
  if (how == '/throw') throw new Error('thrown');
  if (how == '/memory') load<u8>(0x7fff_ffff);
  if (how == '/stack') return recurse(1);
  if (how == '/bad-response') return new Response(ArgBuf.over(0x8000_0001, 1));
  throw new Error(how);
}

function recurse(n: i32): Response {
  return n == 0 ? Response.empty() : recurse(n + 1).status(recurse(n).send() == 0 ? 200 : 404);
}

/** Calls itself until the server refuses; answers how deep that was. */
function depth(before: i32): Response {
  const request = ArgBuf.text('deeper;....');
  request.store<i32>(7, before + 1);
  const result = call('calls', request);
  if (result.ok) return new Response(result.response);
  return Response.text(`${before} ${result.statusName} ${request.isHere}`);
}

/** The request is the callee's, and this address is no one's. */
function gone(): Response {
  const request = ArgBuf.text('gone');
  call('echo', request);
  if (request.isHere || request.length != 0) return Response.text('still here');
  load<u8>(request.pointer);
  return Response.text('readable');
}

function twice(): Response {
  const request = ArgBuf.text('twice');
  call('echo', request);
  return describe(call('echo', request));
}

/** The response is at the address of the request: nothing was copied on the way there and back. */
function address(): Response {
  const request = ArgBuf.text('where;');
  const pointer = request.pointer;
  const result = call('calls', request);
  return Response.text(`${result.response.load<u32>(0) == pointer} ${result.response.pointer == pointer}`);
}

function where(request: Request): Response {
  request.store<u32>(0, <u32>request.pointer);
  return new Response(request);
}

function names(): Response {
  const out = new TextWriter();
  for (let status = 0; status < 80; status++) out.integer(status).byte(0x20).text(statusName(status)).byte(0x0a);
  out.text(Status.CALLEE_TRAP.toString());
  return out.response();
}
