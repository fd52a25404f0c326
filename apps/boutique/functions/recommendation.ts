/**
 * Products that somebody may like who looks at others: any of the catalog but these, chosen by the seed of the request. The
 * messages are in shared/wire.ts.
 */
import { ArgBuf, Request, Response, View } from 'jord';
import { Service } from '../../shared/service';
import { CatalogRequest, copyId, ID_SIZE, RECOMMENDATIONS, sameId } from './shared/wire';

const catalog = new Service('boutique-catalog');

export function handle(request: Request): Response {
  const question = new ArgBuf(4);
  question.store<u32>(0, CatalogRequest.IDS);
  const ids = catalog.ask(question);
  const count = <u32>(ids.length / ID_SIZE);
  const others = request.slice(4);
  const chosen = new ArgBuf(RECOMMENDATIONS * ID_SIZE);
  let length = 0;
  let seed = request.load<u32>(0);
  while (length < chosen.length) {
    seed = next(seed);
    // From the place that chance shows on, the first that may be recommended.
    let index = seed % count;
    let tried: u32 = 0;
    while (tried < count && isIn(ids.pointer + <usize>index * ID_SIZE, others, chosen.slice(0, length))) {
      index = index + 1 == count ? 0 : index + 1;
      tried++;
    }
    if (tried == count) break;
    copyId(ids.pointer + <usize>index * ID_SIZE, chosen.pointer + <usize>length);
    length += ID_SIZE;
  }
  chosen.resize(length);
  return new Response(chosen);
}

function isIn(id: usize, others: View, chosen: View): bool {
  return has(others, id) || has(chosen, id);
}

function has(ids: View, id: usize): bool {
  const end = ids.pointer + <usize>ids.length;
  for (let at = ids.pointer; at < end; at += ID_SIZE) if (sameId(at, id)) return true;
  return false;
}

/** Marsaglia's xorshift; it has no way out of 0, which the first step takes it out of. */
function next(seed: u32): u32 {
  seed = seed == 0 ? 0x9e37_79b9 : seed;
  seed ^= seed << 13;
  seed ^= seed >> 17;
  return seed ^ (seed << 5);
}
