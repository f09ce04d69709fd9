/**
 * Microseconds since 1970 UTC, the resolution of Postgres' timestamps. An exact integer in a JavaScript number
 * until the year 2255.
 */
export type Micros = number & { readonly __brand: 'Micros' };

const microsPerMilli = 1_000;
const microsPerSecond = 1_000_000;

/** From seconds since 1970 UTC, or a period of them. */
export function microsOfSeconds(seconds: number): Micros {
  return (seconds * microsPerSecond) as Micros;
}

/** From milliseconds since 1970 UTC, or a period of them. */
export function microsOfMillis(millis: number): Micros {
  return (millis * microsPerMilli) as Micros;
}

/** In seconds, with their fraction. */
export function secondsOf(micros: number): number {
  return micros / microsPerSecond;
}

/** In milliseconds, with their fraction. */
export function millisOf(micros: number): number {
  return micros / microsPerMilli;
}

/** A time as RFC 3339 with all its microseconds: `2026-01-31T12:00:00.123456Z`. */
export const formatMicros = rememberingLast((time) => {
  const millis = Math.floor(millisOf(time));
  const rest = time - microsOfMillis(millis);
  return `${new Date(millis).toISOString().slice(0, -1)}${rest.toString().padStart(3, '0')}Z`;
});

/** A whole second as RFC 3339: `2026-01-31T12:00:00Z`. */
export const formatSecond = rememberingLast(
  (time) => `${new Date(millisOf(time)).toISOString().slice(0, 19)}Z`,
);

/** All that a batch writes has one time, and falls due at one; it stands in each command's answer and fact. */
function rememberingLast(format: (time: Micros) => string): (time: Micros) => string {
  let last: { readonly time: Micros; readonly text: string } | undefined;
  return (time) => {
    if (last?.time !== time) last = { time, text: format(time) };
    return last.text;
  };
}

/** The microseconds of an RFC 3339 time in UTC, of which it reads whole milliseconds. */
export function parseTime(text: string): Micros {
  return microsOfMillis(Date.parse(text));
}

/** The first whole second at or after a time: holds fall due on whole seconds, so that one message announces many. */
export function ceilToSecond(time: Micros): Micros {
  return microsOfSeconds(Math.ceil(secondsOf(time)));
}

export function addMillis(time: Micros, millis: number): Micros {
  return (time + Math.round(microsOfMillis(millis))) as Micros;
}

export function laterOf(left: Micros, right: Micros): Micros {
  return left > right ? left : right;
}
