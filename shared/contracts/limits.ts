/* The bounds that callers can run into. Each has its reason; nothing in the system grows without one. */

/** Commands in one array payload: two ledger batches, so one message can't hold up everybody else for long. */
export const maxCommandsPerMessage = 1024;

/** Bytes of one NATS payload: half of nats-server's default `max_payload`, which leaves room for the reply. */
export const maxMessageBytes = 512 * 1024;

/** Accounts that a narrowed caller may name, so that the list stays small beside the command. */
export const maxAllowedAccounts = 100;

/** In 2001. A deadline before it is one in seconds, whose sender would be told for ever that it is over. */
export const earliestDeadlineMs = 1_000_000_000_000;

/** Seconds until a hold falls due: ten years, far beyond any use, and far from where dates or timers overflow. */
export const maxHoldSeconds = 315_576_000;

/** Years that the test clock may be ahead: with a hold's ten more, far from where times in microseconds become inexact. */
export const maxClockYears = 100;

/** Characters in an account's name. */
export const maxNameLength = 200;

/** Characters in a reference: an order number, not a story, since it is kept with every entry about it. */
export const maxReferenceLength = 100;

/** Bytes of an account's metadata as JSON. */
export const maxMetadataBytes = 2048;

/** Rows in one page of a list query. */
export const maxPageSize = 500;

/** Milliseconds a refusal is kept, and with it the promise that a repeated command gets the same refusal. */
export const refusalsKeptMs = 7 * 24 * 60 * 60 * 1000;
