import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { isMeasuring, type Metrics } from './metrics.ts';

const intervalMs = 10_000;
const delayResolutionMs = 20;
const nanosecondsPerSecond = 1_000_000_000;

/** Measures the process itself, every 10 s from now on; nothing while metrics are off. */
export function measureProcess(metrics: Metrics): void {
  if (!isMeasuring()) return;
  const delays = monitorEventLoopDelay({ resolution: delayResolutionMs });
  delays.enable();
  let before = performance.eventLoopUtilization();
  const measure = (): void => {
    metrics.eventLoopDelayP99.record(secondsLate(delays.percentile(99)));
    metrics.eventLoopDelayMax.record(secondsLate(delays.max));
    delays.reset();
    const now = performance.eventLoopUtilization();
    metrics.eventLoopUtilization.record(performance.eventLoopUtilization(now, before).utilization);
    before = now;
    metrics.memoryUsage.record(process.memoryUsage.rss());
  };
  measure();
  setInterval(measure, intervalMs).unref();
}

/** A timer's whole period is what is counted; what is above it is the lateness. */
function secondsLate(nanoseconds: number): number {
  return Math.max(0, nanoseconds / nanosecondsPerSecond - delayResolutionMs / 1_000) || 0;
}
