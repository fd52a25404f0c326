/** Who people are that play in movies. `u32 ids` → the JSON `"cast":[{…}, …]`, in the order of the ids; unknown ones are left out */
import { Request, Response, Space, TextWriter, View } from 'jord';
import { NumberKey } from '../../shared/keys';
import { utf8 } from '../../shared/text';

const PEOPLE = Space.open('media-people');
const BEGIN: View = utf8('"cast":[');
const LENGTH_USUAL: i32 = 320;

export function handle(request: Request): Response {
  const out = new TextWriter(16 + (request.length >> 2) * LENGTH_USUAL);
  const key = new NumberKey();
  out.bytes(BEGIN);
  let isFirst = true;
  for (let at = 0; at < request.length; at += 4) {
    const person = PEOPLE.getBytes(key.of(request.load<u32>(at)));
    if (person == null) continue;
    if (!isFirst) out.byte(0x2c);
    isFirst = false;
    out.bytes(person);
    person.release();
  }
  return new Response(out.byte(0x5d).argbuf());
}
