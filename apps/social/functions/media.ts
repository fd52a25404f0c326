/**
 * Checks what a post shows. `u32 count`, then for each `u8 length, id, u8 length, type` → `u32 0`, then the JSON
 * `"media":[{"media_id":…,"media_type":…}, …]`
 */
import { Request, Response, View } from 'jord';
import { JsonFragment } from '../../shared/json-fragment';
import { refuse } from '../../shared/service';
import { utf8 } from '../../shared/text';
import { SocialCode } from './shared/failures';

const MEDIA_MAX: i32 = 4;
/** The word of an answer that refuses nothing, and how the JSON begins. */
const BEGIN: View = utf8('\0\0\0\0"media":[');
const ID: View = utf8('{"media_id":"');
const TYPE: View = utf8('","media_type":"');
const END: View = utf8('"}');
const ID_LENGTH_MAX: i32 = 20;

export function handle(request: Request): Response {
  const count = request.load<i32>(0);
  if (count > MEDIA_MAX) return refuse(SocialCode.INVALID_MEDIA);
  const out = new JsonFragment(256);
  out.bytes(BEGIN);
  let at = 4;
  for (let i = 0; i < count; i++) {
    const id = part(request, at);
    const type = part(request, at + 1 + id.length);
    at += 2 + id.length + type.length;
    if (!isId(id) || !isType(type)) return refuse(SocialCode.INVALID_MEDIA);
    if (i > 0) out.byte(0x2c);
    out.bytes(ID).bytes(id).bytes(TYPE).bytes(type).bytes(END);
  }
  return new Response(out.byte(0x5d).argbuf());
}

function part(request: Request, at: i32): View {
  return request.slice(at + 1, at + 1 + request[at]);
}

function isId(id: View): bool {
  if (id.length == 0 || id.length > ID_LENGTH_MAX) return false;
  for (let i = 0; i < id.length; i++) {
    const byte = id[i];
    if (byte < 0x30 || byte > 0x39) return false;
  }
  return true;
}

function isType(type: View): bool {
  return type.is('png') || type.is('jpg') || type.is('gif') || type.is('mp4');
}
