import { setTimeout as delay } from 'node:timers/promises';
import { watchAbsence } from './absence.ts';
import type { Outages } from './clients/outages.ts';
import type { Fault } from './faults/fault.ts';
import { perform, type Scene } from './faults/perform.ts';
import type { History } from './history.ts';
import type { Episode } from './plan.ts';

/** What was done, and how long it took until every door served again. */
export interface Done {
  readonly faults: readonly Fault[];
  /** From the end of the last fault; undefined when that did not happen in time. */
  readonly backAfterMs: number | undefined;
}

interface PlanRun {
  readonly episodes: Iterable<Episode>;
  readonly scene: Scene;
  readonly history: History;
  readonly outages: Outages;
  readonly untilMs: number;
  readonly stop: AbortSignal;
  readonly onProblem: (problem: string) => void;
  readonly say: (line: string) => void;
}

/** Promised after a single fault. */
const backWithinMs = 5_000;
/** After this long nobody will come back without help. */
const givenUpAfterMs = 60_000;

/** Does one episode after another until time is up. */
export async function runPlan(run: PlanRun): Promise<Done[]> {
  const { episodes, history, outages, untilMs, stop, onProblem, say } = run;
  const done: Done[] = [];
  for (const episode of episodes) {
    if (stop.aborted || performance.now() >= untilMs) break;
    const [faults, lies] = await Promise.all([doEpisode(episode, run), watched(episode, run.scene)]);
    lies.forEach(onProblem);
    const back = await outages.untilAllServe(givenUpAfterMs);
    const backAfterMs = 'ms' in back ? back.ms : undefined;
    done.push({ faults, backAfterMs });
    history.note('back', { faults, ...back });
    const what = faults.map(describe).join(' + ') || `could not be done: ${plannedOf(episode)}`;
    say(`${what}: ${'ms' in back ? `back after ${back.ms.toFixed(0)} ms, ${back.last} last` : 'not back'}`);
    if ('silent' in back)
      onProblem(
        `after ${what} these doors did not serve for ${givenUpAfterMs} ms: ${back.silent.join(', ')}`,
      );
    else if (faults.length === 1 && back.ms > backWithinMs)
      onProblem(`after ${what} it took ${back.ms.toFixed(0)} ms until every door served again`);
    await delay(episode.peaceMs, undefined, { signal: stop }).catch(() => undefined);
  }
  return done;
}

/** Only when it is one fault is it known what must be missing. */
async function watched({ faults }: Episode, { stack }: Scene): Promise<string[]> {
  const [only, ...more] = faults;
  return only === undefined || more.length > 0 ? [] : watchAbsence(only.fault, stack);
}

async function doEpisode({ faults }: Episode, { scene, history, stop }: PlanRun): Promise<Fault[]> {
  const done = await Promise.all(
    faults.map(async ({ afterMs, fault }) => {
      for (const untilMs = performance.now() + afterMs; performance.now() < untilMs && !stop.aborted;)
        await delay(Math.max(untilMs - performance.now(), 1), undefined, { signal: stop }).catch(
          () => undefined,
        );
      history.note('fault', { fault });
      const could = await perform(fault, scene);
      history.note('fault over', { fault, could });
      return could ? [fault] : [];
    }),
  );
  return done.flat();
}

function plannedOf({ faults }: Episode): string {
  return faults.map(({ fault }) => describe(fault)).join(' + ');
}

/** A fault in words. */
export function describe({ kind, ...details }: Fault): string {
  return [kind, ...Object.values(details)].join(' ');
}
