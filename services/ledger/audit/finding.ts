/** Something in the books that is not as it must be. */
export interface Finding {
  /** Null when it concerns no single account. */
  readonly accountId: string | null;
  /** The entry, where it is about one. */
  readonly seq?: number;
  /** What is wrong, and what was expected. */
  readonly problem: string;
}
