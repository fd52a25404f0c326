/** What is known of hotels, in the order in which they are asked for: values of the space `hotel-profiles`, by number. */
import { ArgBuf, Request, Response, Space, Value } from 'jord';
import { OFFER_SIZE } from './shared/wire';

const HEADER: i32 = 8;

const space = Space.open('hotel-profiles');

export function handle(request: Request): Response {
  const profiles: Value[] = [];
  const offers: i32[] = [];
  let length = 0;
  for (let at = 0; at < request.length; at += OFFER_SIZE) {
    const profile = space.getBytes(request.slice(at, at + 4));
    if (profile == null) continue;
    profiles.push(profile);
    offers.push(at);
    length += sizeOf(profile);
  }
  const answer = new ArgBuf(length);
  let to = 0;
  for (let i = 0; i < profiles.length; i++) {
    answer.store<u32>(to, request.load<u32>(offers[i]));
    answer.store<u32>(to + 4, profiles[i].length);
    answer.set(profiles[i], to + HEADER);
    to += sizeOf(profiles[i]);
  }
  return new Response(answer);
}

function sizeOf(profile: Value): i32 {
  return (HEADER + profile.length + 7) & ~7;
}
