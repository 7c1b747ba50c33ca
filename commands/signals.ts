/** Exit codes of a process ended by a signal, as shells report them: 128 + the signal's number. */
const signalExit = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Aborts at the first SIGINT or SIGTERM, so that a command can drain; the second ends the process at once.
 * A process that was started with an IPC channel ends at once when that channel closes: its supervisor has gone, whatever
 * killed it, and nothing may be left behind. What it held becomes visible again, as after a crash.
 */
export const processSignal = (): AbortSignal => {
  const controller = new AbortController();
  const stop = (name: keyof typeof signalExit) => {
    if (controller.signal.aborted) process.exit(signalExit[name]);
    controller.abort(name);
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stop(name));
  if (process.channel) {
    process.once('disconnect', () => process.exit(1));
    // The channel must not keep a finished command alive.
    process.channel.unref();
  }
  return controller.signal;
};
