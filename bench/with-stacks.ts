import { listenForStop } from '../deploy/local/stop-request.ts';
import { exitCodes } from '../shared/lifecycle/run-service.ts';
import { startBenchStack, type BenchStack } from './stack.ts';
import { unlessStopped } from './unless-stopped.ts';

type StackSettings = Parameters<typeof startBenchStack>[0];

/** Starts stacks, one for each of `settings`, and stops them and deletes their data whatever comes of `work`, which tells the exit code. */
export async function withStacks<const All extends readonly StackSettings[]>(
  settings: All,
  work: (stacks: { readonly [K in keyof All]: BenchStack }) => Promise<number>,
): Promise<number> {
  const stop = listenForStop();
  const stacks: BenchStack[] = [];
  try {
    for (const each of settings) {
      stacks.push(await startBenchStack(each));
      if (stop.asked.aborted) return exitCodes.interrupted;
    }
    const worked = work(stacks as unknown as { readonly [K in keyof All]: BenchStack });
    return await unlessStopped(stop, worked);
  } finally {
    for (const stack of stacks.toReversed()) await stack.stop();
  }
}
