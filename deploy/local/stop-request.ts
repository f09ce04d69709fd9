/** A Ctrl-C under `npm start` arrives twice, from the terminal and from npm. Only a later one is a second wish. */
const sameSignalMs = 500;

/** The wish that everything stops: from the person, or from ourselves when going on makes no sense. */
export interface StopRequest {
  /** Aborted when it was asked for. */
  readonly asked: AbortSignal;
  /** Resolves when it was asked for; with the reason when something went wrong. */
  readonly reason: Promise<unknown>;
  /** Resolves when the person asks a second time: stop at once. */
  readonly askedTwice: Promise<void>;
  /** Asks ourselves; `reason` is undefined when nothing went wrong. */
  ask(reason?: unknown): void;
}

/** Listens to the signals that ask a process to stop, until the process ends. */
export function listenForStop(): StopRequest {
  const controller = new AbortController();
  let askedAtMs = 0;
  let resolveReason: (reason: unknown) => void;
  const reason = new Promise<unknown>((resolve) => (resolveReason = resolve));
  const ask = (why?: unknown) => {
    if (controller.signal.aborted) return;
    askedAtMs = performance.now();
    resolveReason(why);
    controller.abort(new Error('asked to stop'));
  };
  const askedTwice = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (controller.signal.aborted && performance.now() - askedAtMs > sameSignalMs) resolve();
        ask();
      });
    }
  });
  return { asked: controller.signal, reason, askedTwice, ask };
}
