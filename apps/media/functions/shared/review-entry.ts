/**
 * Entries of the reviews of a movie: the id of a review and its rating in one number, so that the reviews can be put in
 * order without being read. They are in the order of the ids.
 */
export const RATING_MAX: u32 = 10;

export function entryOf(review: u64, rating: u32): u64 {
  return (review << 4) | rating;
}

export function reviewOf(entry: u64): u64 {
  return entry >> 4;
}

export function ratingOf(entry: u64): u32 {
  return <u32>entry & 15;
}
