/**
 * How the services of the hotel reservation write to each other: in ArgBufs, by fixed offsets, little-endian. Hotels are
 * numbers from 1 on, dates are days since 1970-01-01, places are degrees of latitude and longitude.
 *
 * | service | request | response |
 * | --- | --- | --- |
 * | geo | place | numbers of the nearest hotels, u32 each |
 * | rate | stay, 8 numbers of hotels | offers, the cheapest first |
 * | search | stay, 8 place | offers |
 * | reservation | see Reservation | |
 * | recommendation | 0 place, 16 u32 what for | numbers of hotels |
 * | profile | offers | for each hotel: 0 u32 number, 4 u32 length of the profile, 8 this, zeros up to a multiple of 8 |
 * | user | 0 u32 length of the name, 4 name, password | u32: 1 when they belong together, 0 when not |
 * | review | u32 number of a hotel | its reviews |
 * | attractions | 0 u32 number of a hotel, 4 u32 what | attractions, the nearest first |
 *
 * stay (8 bytes): 0 u32 day of arrival, 4 u32 day of departure
 * place (16 bytes): 0 f64 latitude, 8 f64 longitude
 * offer (16 bytes): 0 u32 number of the hotel, 4 u32 price of the stay in cents, 8 plan, four letters, 12 u32 kind of room
 */

export const STAY_SIZE: i32 = 8;
export const PLACE_SIZE: i32 = 16;
export const OFFER_SIZE: i32 = 16;

/** Longest stay, in nights. */
export const NIGHTS_MAX: u32 = 30;
/** Nights for which there are rates and rooms. */
export const NIGHTS_KNOWN: u32 = 336;

/** How many hotels or attractions are found at most. */
export const FOUND_MAX: i32 = 5;

/** What a recommendation is for. */
export namespace Wish {
  export const NEAR: u32 = 0;
  export const RATING: u32 = 1;
  export const PRICE: u32 = 2;
}

/** Kinds of attractions. */
export namespace Attraction {
  export const RESTAURANTS: u32 = 0;
  export const MUSEUMS: u32 = 1;
  export const CINEMAS: u32 = 2;
}

/**
 * CHECK: 0 u32 which · 4 u32 rooms · 8 stay · 16 offers; the response has those whose hotels have rooms.
 * RESERVE: 0 u32 which · 4 u32 rooms · 8 stay · 16 u32 number of the hotel · 20 name of the customer; the response: 0 u32
 * outcome · 8 i64 number of the reservation, unique together with the hotel.
 */
export namespace Reservation {
  export const CHECK: u32 = 1;
  export const RESERVE: u32 = 2;
  export const HEADER: i32 = 16;
  export const CUSTOMER: i32 = 20;
}

/** What came of a reservation. */
export namespace Outcome {
  export const OK: u32 = 0;
  export const UNKNOWN_HOTEL: u32 = 1;
  export const UNKNOWN_DATES: u32 = 2;
  export const SOLD_OUT: u32 = 3;
}

/**
 * An attraction in a response: 0 u32 distance from the hotel in metres · 4 u32 length of the record · 8 record, as it is in
 * the store: i32 latitude and longitude in millionths of a degree · 8 u16 rating in tenths, 0 where there is none ·
 * 10 u16 lengths of name and kind · 14 u16 0 · 16 these · zeros up to a multiple of 8.
 */
export namespace Place {
  export const HEADER: i32 = 8;
  export const RATING: i32 = 8;
  export const LENGTHS: i32 = 10;
  export const TEXTS: i32 = 16;
}

/**
 * A profile: 0 i32 latitude and longitude in millionths of a degree · 8 u16 lengths of its texts: name, phone, description,
 * street number, street, city, state, country, postal code, picture · 28 u32 0 · 32 these.
 */
export namespace Profile {
  export const LENGTHS: i32 = 8;
  export const TEXTS: i32 = 32;
  export const NAME: i32 = 0;
  export const PHONE: i32 = 1;
  export const DESCRIPTION: i32 = 2;
  export const STREET_NUMBER: i32 = 3;
  export const STREET: i32 = 4;
  export const CITY: i32 = 5;
  export const STATE: i32 = 6;
  export const COUNTRY: i32 = 7;
  export const POSTAL_CODE: i32 = 8;
  export const PICTURE: i32 = 9;
}

/**
 * Reviews: 0 u32 how many · 4 u32 sum of their ratings, in tenths · 8 each: u16 rating in tenths, u16 lengths of name and
 * text, u16 0, these, zeros up to a multiple of 8.
 */
export namespace Review {
  export const FIRST: i32 = 8;
  export const TEXTS: i32 = 8;
}
