import type { History } from '../history.ts';
import type { ServiceVictim } from '../stack/service-victim.ts';

/** Promised over HTTP are 5 s; the rest is for the way, on a machine that does all this at once. */
const answerWithinMs = 8_500;
/** A gateway that was killed or frozen begins with what has gathered. */
const recoveryMs = 3_000;

/** Whatever else is broken: a gateway that was left alone answers in time. */
export function checkPromptness({ operations }: History, gateways: readonly ServiceVictim[]): string[] {
  const doors = new Map(gateways.map((gateway) => [gateway.name, gateway]));
  return operations.flatMap(({ id, calls }) =>
    calls.flatMap(({ door, startMs, endMs, answer }) => {
      const tookMs = endMs - startMs;
      const gateway = doors.get(door);
      if (gateway === undefined || tookMs <= answerWithinMs) return [];
      if (!gateway.wasLeftAlone(startMs - recoveryMs, endMs)) return [];
      return [`${door} took ${tookMs.toFixed(0)} ms to answer ${id}: ${JSON.stringify(answer)}`];
    }),
  );
}
