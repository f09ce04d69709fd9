/** How much streams of facts may take. */
export interface EventLimits {
  /** Streams of one gateway at once. */
  readonly maxStreams: number;
  /** Bytes that wait for one caller to read them; past them it is cut off, and may resume. */
  readonly maxUnsentBytes: number;
  /** How long a caller may take to read what is kept ready for it while it catches up. */
  readonly maxReadingMs: number;
  /** Between two signs of life. */
  readonly heartbeatMs: number;
  /** How long a caller is kept waiting for the broker before it is told that nothing can be told. */
  readonly openMs: number;
}

export const eventLimits: EventLimits = {
  // With all of them as far behind as they may be, a gateway holds 1 GiB; usually a few KiB each.
  maxStreams: 1_000,
  maxUnsentBytes: 1024 * 1024,
  maxReadingMs: 60_000,
  // Proxies cut what is silent, most after a minute.
  heartbeatMs: 15_000,
  // Below the 5 s within which callers are promised an answer.
  openMs: 4_500,
};
