/** The operations of services that have more than one: a number in their requests. */
export namespace UserOperation {
  export const REGISTER: u32 = 1;
  export const LOGIN: u32 = 2;
  export const CREATOR: u32 = 3;
}

export namespace GraphOperation {
  export const INSERT: u32 = 1;
  export const FOLLOW: u32 = 2;
  export const UNFOLLOW: u32 = 3;
  export const FOLLOWERS: u32 = 4;
  export const FOLLOWEES: u32 = 5;
}
