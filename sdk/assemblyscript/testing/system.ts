/** Log, time and chance. */
import { ArgBuf, log, random, Request, Response, time } from 'jord';

const madeAtDeploy = random.u64();

export function handle(request: Request): Response {
  const path = request.path;
  if (path == '/log') return lines(request.text());
  if (path == '/time') return Response.text(`${time()} ${Date.now()}`);
  if (path == '/random') return randomBytes(i32(parseInt(request.query)));
  if (path == '/numbers') return numbers();
  if (path == '/image') return Response.text(madeAtDeploy.toString());
  if (path == '/throw') throw new Error('sorry, ' + request.text());
  if (path == '/assert') assert(request.length == 0, 'not empty');
  if (path == '/assert-plain') assert(request.length == 0);
  if (path == '/array') [1, 2, 3][request.length];
  return Response.empty();
}

function lines(text: string): Response {
  log.debug('debug ' + text);
  log.info('info ' + text);
  log.warn('warn ' + text);
  log.error('');
  console.log('console ' + text);
  console.warn('console warn');
  console.assert(text.length == 0, 'console assert');
  trace('trace', 2, 1.5, 2);
  return Response.empty();
}

function randomBytes(length: i32): Response {
  const buffer = new ArgBuf(length);
  random.fill(buffer);
  return new Response(buffer);
}

function numbers(): Response {
  let low = 0;
  let counts = new StaticArray<i32>(3);
  for (let i = 0; i < 3000; i++) {
    const value = random.f64();
    if (!(value >= 0 && value < 1)) throw new Error('not in range');
    if (value < 0.5) low++;
    counts[random.below(3)]++;
  }
  return Response.text(
    `${random.u32()} ${random.u64()} ${Math.random()} ${low} ${counts[0]} ${counts[1]} ${counts[2]}`,
  );
}
