/** What is agreed on shortened URLs: this, and as many letters behind it. */
export const SHORT_PREFIX: string = 'http://short-url/';
export const CODE_LENGTH: i32 = 8;

export namespace ShortenOperation {
  export const SHORTEN: u32 = 1;
  export const EXPAND: u32 = 2;
}
