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
  if (process.send) {
    // It may have closed while this program was being loaded: then there will be no event any more.
    if (!process.connected) process.exit(1);
    process.once('disconnect', () => process.exit(1));
    // The channel must not keep a finished command alive.
    process.channel?.unref();
  }
  return controller.signal;
};

/**
 * `imgrec config | head -1` closes our stdout before we are done: that ends the command, silently and as shells expect
 * (128 + SIGPIPE). A closed stderr only means that nobody reads the log any more.
 */
export const survivesClosedPipes = (): void => {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(141);
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
};
