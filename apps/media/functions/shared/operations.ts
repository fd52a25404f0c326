/** The operations of services that have more than one: a number in their requests. */
export namespace UserOperation {
  export const REGISTER: u32 = 1;
  export const LOGIN: u32 = 2;
  export const REVIEWER: u32 = 3;
}

export namespace RatingOperation {
  export const CHECK: u32 = 1;
  export const COUNT: u32 = 2;
  export const READ: u32 = 3;
}
