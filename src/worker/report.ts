import type { Cluster } from '../aws/cluster.ts';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import { type FleetReport, fleetReportKey } from '../reports/reports.ts';

/** Tells the fleet what this worker is doing, regularly, and at once when its state changes. */
export interface Reporter {
  enter(state: FleetReport['state']): void;
  /** Stops, after the last report has been written or has failed. */
  close(): Promise<void>;
}

export const silentReporter: Reporter = { enter: () => {}, close: async () => {} };

export interface ReporterOptions {
  readonly cluster: Cluster;
  readonly name: string;
  readonly everySeconds: number;
  readonly figures: () => Omit<FleetReport, 'v' | 'instance' | 'state' | 'readyForSeconds'>;
  readonly clock: Clock;
  readonly log: Log;
}

export const createReporter = (options: ReporterOptions): Reporter => {
  const { cluster, name, figures, clock, log } = options;
  const { s3, names } = cluster;
  let state: FleetReport['state'] = 'starting';
  let readyAtMs: number | undefined;
  let changed = new AbortController();
  let closed = false;

  const write = async () => {
    const report: FleetReport = {
      v: 1,
      instance: name,
      state,
      readyForSeconds: readyAtMs === undefined ? 0 : (clock.monotonicMs() - readyAtMs) / 1_000,
      ...figures(),
    };
    await s3
      .put(names.opsBucket, fleetReportKey(name), JSON.stringify(report), 'application/json')
      .catch((error: unknown) => {
        log.warn({ error: messageOf(error) }, 'the report could not be written; the next one may');
      });
  };

  /** One writer, so that a slow report cannot overtake and undo a later one. */
  const keepWriting = async () => {
    for (;;) {
      changed = new AbortController();
      const last = closed;
      await write();
      if (last) return;
      await clock.sleep(options.everySeconds * 1_000, changed.signal);
    }
  };
  const writing = keepWriting();

  return {
    enter: (next) => {
      if (next === 'ready') readyAtMs ??= clock.monotonicMs();
      state = next;
      changed.abort('changed');
    },
    close: async () => {
      closed = true;
      changed.abort('changed');
      await writing;
    },
  };
};
