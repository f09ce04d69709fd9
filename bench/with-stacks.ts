import { listenForStop } from '../deploy/local/stop-request.ts';
import { startBenchStack, type BenchStack } from './stack.ts';

type StackSettings = Parameters<typeof startBenchStack>[0];

const interruptedExitCode = 130;

/** Starts stacks, one for each of `settings`, and stops them and deletes their data whatever comes of `work`, which tells the exit code. */
export async function withStacks<const All extends readonly StackSettings[]>(
  settings: All,
  work: (stacks: { readonly [K in keyof All]: BenchStack }) => Promise<number>,
): Promise<number> {
  const stop = listenForStop();
  const stacks: BenchStack[] = [];
  try {
    for (const each of settings) stacks.push(await startBenchStack(each));
    const worked = work(stacks as unknown as { readonly [K in keyof All]: BenchStack });
    return await Promise.race([worked, stop.reason.then(() => interruptedExitCode)]);
  } finally {
    for (const stack of stacks.toReversed()) await stack.stop();
  }
}
