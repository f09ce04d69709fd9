import { gaugeOf } from './gauges.ts';
import { isMeasuring, metricCatalogue } from './metrics.ts';

const intervalMs = 1_000;

/** Measures from now on whether the service can serve; nothing while metrics are off. */
export function measureReadiness(isReady: () => boolean): void {
  if (!isMeasuring()) return;
  const ready = gaugeOf(metricCatalogue.ready);
  const measure = (): void => ready.record(isReady() ? 1 : 0);
  measure();
  setInterval(measure, intervalMs).unref();
}
