/**
 * A k-d tree of places on earth, in one value of the store, which is searched in place: 0 u32 how many · 8 nodes. Places are
 * points of the unit sphere, so that distances are straight lines and need no sines.
 *
 * node (40 bytes): 0 f64 x, y, z · 24 u32 what is there · 28 u16 axis (0, 1, 2) · 30 u16 rating in tenths ·
 * 32 u32 price in cents, or where more is known · 36 u32 0
 *
 * The middle node of a range of nodes divides the others along its axis: those before it are not above it there, those behind
 * it not below.
 */
import { View } from 'jord';
import { FOUND_MAX, Wish } from './wire';

const NODES: usize = 8;
const NODE_SIZE: usize = 40;
const WHAT: usize = 24;
const AXIS: usize = 28;
const RATING: usize = 30;
const PRICE: usize = 32;
/** Ranges that are not worth dividing. */
const SMALL: i32 = 6;

const EARTH_RADIUS_METRES: f64 = 6_371_008.8;
const DEGREE: f64 = Math.PI / 180;
/** The square of the straight line between places 10 km apart, on the unit sphere. */
const REACH: f64 = square(2 * Math.sin(10_000 / (2 * EARTH_RADIUS_METRES)));

function square(value: f64): f64 {
  return value * value;
}

/** The best places of a tree around another place, no more than 10 km away. */
export class Search {
  /** How many were found, FOUND_MAX at most; the best come first. */
  count: i32 = 0;
  private nodes: usize;
  private x: f64 = 0;
  private y: f64 = 0;
  private z: f64 = 0;
  private wish: u32 = Wish.NEAR;
  /** How far away a place may be: its square. Shrinks while the nearest are sought. */
  private reach: f64 = REACH;
  private found: StaticArray<usize> = new StaticArray<usize>(FOUND_MAX);
  private scores: StaticArray<f64> = new StaticArray<f64>(FOUND_MAX);
  private distances: StaticArray<f64> = new StaticArray<f64>(FOUND_MAX);

  constructor(private tree: View) {
    this.nodes = tree.pointer + NODES;
  }

  /** Around a place in degrees. */
  around(latitude: f64, longitude: f64, wish: u32): void {
    const flat = Math.cos(latitude * DEGREE);
    const x = flat * Math.cos(longitude * DEGREE);
    const y = flat * Math.sin(longitude * DEGREE);
    this.aroundPoint(x, y, Math.sin(latitude * DEGREE), wish);
  }

  /** Around a point of the unit sphere. Of places that are as good as each other, the one with the smaller number wins. */
  aroundPoint(x: f64, y: f64, z: f64, wish: u32): void {
    this.x = x;
    this.y = y;
    this.z = z;
    this.wish = wish;
    this.visit(0, this.tree.load<i32>(0));
  }

  /** What is at the place with this rank. */
  what(rank: i32): u32 {
    return load<u32>(this.found[rank], WHAT);
  }

  /** Where more is known of it. */
  more(rank: i32): u32 {
    return load<u32>(this.found[rank], PRICE);
  }

  /** Metres along the surface of the earth. */
  metres(rank: i32): u32 {
    const squared = this.distances[rank];
    // The arc over a chord c is c + c^3 / 24 + …, and the next term is below a millimetre here.
    return <u32>(Math.sqrt(squared) * (1 + squared / 24) * EARTH_RADIUS_METRES + 0.5);
  }

  private visit(first: i32, end: i32): void {
    if (end - first <= SMALL) {
      for (let i = first; i < end; i++) this.look(this.nodes + <usize>i * NODE_SIZE);
      return;
    }
    const middle = (first + end) >> 1;
    const node = this.nodes + <usize>middle * NODE_SIZE;
    this.look(node);
    const axis = load<u16>(node, AXIS);
    const apart = (axis == 0 ? this.x : axis == 1 ? this.y : this.z) - load<f64>(node + ((<usize>axis) << 3));
    if (apart < 0) {
      this.visit(first, middle);
      if (apart * apart <= this.reach) this.visit(middle + 1, end);
    } else {
      this.visit(middle + 1, end);
      if (apart * apart <= this.reach) this.visit(first, middle);
    }
  }

  private look(node: usize): void {
    const x = load<f64>(node) - this.x;
    const y = load<f64>(node, 8) - this.y;
    const z = load<f64>(node, 16) - this.z;
    const distance = x * x + y * y + z * z;
    if (distance <= this.reach) this.offer(node, distance);
  }

  /** Puts a place where its score, the smaller the better, belongs among those found. */
  private offer(node: usize, distance: f64): void {
    const wish = this.wish;
    const score: f64 =
      wish == Wish.NEAR
        ? distance
        : wish == Wish.RATING
          ? -(<f64>load<u16>(node, RATING))
          : <f64>load<u32>(node, PRICE);
    const number = load<u32>(node, WHAT);
    let rank = this.count;
    while (rank > 0 && this.isBefore(score, number, rank - 1)) rank--;
    if (rank == FOUND_MAX) return;
    if (this.count < FOUND_MAX) this.count++;
    for (let i = this.count - 1; i > rank; i--) {
      this.found[i] = this.found[i - 1];
      this.scores[i] = this.scores[i - 1];
      this.distances[i] = this.distances[i - 1];
    }
    this.found[rank] = node;
    this.scores[rank] = score;
    this.distances[rank] = distance;
    if (wish == Wish.NEAR && this.count == FOUND_MAX) this.reach = this.distances[FOUND_MAX - 1];
  }

  private isBefore(score: f64, number: u32, rank: i32): bool {
    const other = this.scores[rank];
    return score < other || (score == other && number < this.what(rank));
  }
}
