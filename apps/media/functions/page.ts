/**
 * All that is to be seen of a movie: its reviews and what is known of it, asked for at the same time, and then who plays in
 * it and its plot, at the same time too. `u32 -, u32 movie, i32 start, i32 stop, u32 order` (as movie-review takes it) → the
 * JSON `{"movie":{…},"cast":[…],"plot":…,"reviews":[…]}`
 */
import { ArgBuf, Request, Response, Result, TextWriter, View } from 'jord';
import { TimelineOperation } from '../../shared/read-timeline';
import { codeOf, refuse, Service } from '../../shared/service';

const MOVIE_INFO = new Service('media-movie-info');
const MOVIE_REVIEW = new Service('media-movie-review');
const CAST_INFO = new Service('media-cast-info');
const PLOT = new Service('media-plot');

export function handle(request: Request): Response {
  const movie = new ArgBuf(4);
  movie.store<u32>(0, request.load<u32>(4));
  request.store<u32>(0, TimelineOperation.READ);
  const reviewing = MOVIE_REVIEW.start(request);
  const info = MOVIE_INFO.call(movie);
  let code = codeOf(info);
  if (code != 0) return refuse(code);

  const idsEnd = 12 + 4 * info.response.load<i32>(8);
  const casting = CAST_INFO.start(ArgBuf.copy(info.response.slice(12, idsEnd)));
  const plotId = new ArgBuf(4);
  plotId.store<u32>(0, info.response.load<u32>(4));
  const plot = PLOT.call(plotId);
  const cast = casting.wait();
  const reviews = reviewing.wait();
  code = codeOf(plot);
  if (code == 0) code = codeOf(cast);
  if (code == 0) code = codeOf(reviews);
  if (code != 0) return refuse(code);
  return new Response(assemble(info.response.slice(idsEnd), cast, plot, reviews));
}

function assemble(movie: View, cast: Result, plot: Result, reviews: Result): ArgBuf {
  const length = movie.length + cast.response.length + plot.response.length + reviews.response.length;
  const out = new TextWriter(length + 8);
  out.byte(0x7b).bytes(movie).byte(0x2c).bytes(cast.response).byte(0x2c).bytes(plot.response).byte(0x2c);
  // The reviews are an object of their own: this takes what is in its brackets and the last bracket.
  return out.bytes(reviews.response.slice(1)).argbuf();
}
