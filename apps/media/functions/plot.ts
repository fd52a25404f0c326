/** What happens in a movie. `u32 plot` → the JSON `"plot":…`, `null` when there is none */
import { Request, Response, Space, TextWriter, View } from 'jord';
import { keyOf } from '../../shared/keys';
import { utf8 } from '../../shared/text';

const PLOTS = Space.open('media-plots');
const BEGIN: View = utf8('"plot":');
const NULL: View = utf8('null');

export function handle(request: Request): Response {
  const plot = PLOTS.getBytes(keyOf(request.load<u32>(0)));
  const out = new TextWriter(plot == null ? 16 : 16 + plot.length);
  out.bytes(BEGIN);
  if (plot == null) out.bytes(NULL);
  else out.bytes(plot);
  return new Response(out.argbuf());
}
