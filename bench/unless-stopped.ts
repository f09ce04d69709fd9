import type { StopRequest } from '../deploy/local/stop-request.ts';
import { exitCodes } from '../shared/lifecycle/run-service.ts';

/** What `work` ends with, or the exit code of a run that was interrupted, as soon as it is; `work` is not waited for then. */
export function unlessStopped(stop: StopRequest, work: Promise<number>): Promise<number> {
  return Promise.race([work, stop.reason.then(() => exitCodes.interrupted)]);
}
