/**
 * Runs another function many times at once. `{"function":"hello","parts":3}` starts it three times, with the requests
 * `part 1 of 3`, `part 2 of 3` and `part 3 of 3`, waits for all, and answers with their responses in that order. With
 * `"request":"…"`, each gets that.
 */
import { ArgBuf, Invocation, JsonReader, Request, resolve, Response, TextWriter, waitAll } from 'jord';
import { Failure } from './shared/failure';

const PARTS_MAX: i32 = 1000;

class Work {
  name: string = '';
  parts: i32 = 0;
  /** What each part gets; null for its number. */
  request: string | null = null;
}

export function handle(request: Request): Response {
  const work = new Work();
  const message = readWork(request, work);
  return message == '' ? run(work) : Failure.invalid(message).response();
}

/** What is wrong with the request, or "". */
function readWork(request: Request, work: Work): string {
  const json = new JsonReader(request);
  json.enterObject();
  while (json.nextKey()) {
    if (json.keyIs('function')) work.name = json.string();
    else if (json.keyIs('request')) work.request = json.string();
    else if (json.keyIs('parts')) {
      work.parts = json.integer<i32>();
      if (work.parts < 1 || work.parts > PARTS_MAX) json.refuse(`there are 1 to ${PARTS_MAX} parts`);
    }
  }
  if (!json.end()) return json.message;
  if (work.name == '') return 'the function is missing';
  return work.parts == 0 ? 'parts are missing' : '';
}

function run(work: Work): Response {
  const callee = resolve(work.name);
  const started: Invocation[] = [];
  for (let i = 1; i <= work.parts; i++) started.push(callee.start(part(work, i)));

  const results = waitAll(started);
  const out = new TextWriter();
  for (let i = 0; i < results.length; i++) {
    const result = results[i];
    if (!result.ok) return new Failure(502, 'service_failed', `${work.name}: ${result.statusName}`).response();
    out.bytes(result.response);
  }
  return out.response();
}

function part(work: Work, number: i32): ArgBuf {
  const request = work.request;
  if (request != null) return ArgBuf.text(request);
  return new TextWriter(32).text('part ').integer(number).text(' of ').integer(work.parts).argbuf();
}
