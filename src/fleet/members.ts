import type { FoundInstance } from '../aws/ec2.ts';
import type { FleetReport } from '../reports/reports.ts';

/** A worker's last report. */
export interface DatedReport {
  readonly report: FleetReport;
  /** When S3 wrote it, whole seconds. */
  readonly atMs: number;
}

/** What an instance is to the fleet. */
export type Standing =
  /** EC2 has it, and its worker has not said yet that it is ready. */
  | 'booting'
  | 'ready'
  /** Its worker drains although nobody here asked it to: EC2 is about to take it. */
  | 'interrupted'
  /** Its worker has ended by itself. */
  | 'ended'
  /** It has not reported for so long that nothing more is expected of it. */
  | 'silent'
  /** Stopped, or about to be: of the warm pool. */
  | 'stopping'
  | 'stopped'
  | 'gone';

export interface Member {
  readonly instance: FoundInstance;
  readonly standing: Standing;
  /** Of this start of the instance. */
  readonly dated: DatedReport | undefined;
}

/** Ten minutes without a report: longer than any boot and than most troubles of S3. */
const silentMs = 600_000;
/** Dates of S3 and of EC2 are cut to their second. */
const cutMs = 1_000;

const standingOf = (
  { state, launchedAtMs }: FoundInstance,
  dated: DatedReport | undefined,
  reportedMs: number | undefined,
  nowMs: number,
): Standing => {
  if (state === 'terminated' || state === 'shutting-down') return 'gone';
  if (state === 'stopping' || state === 'stopped') return state;
  if (dated?.report.state === 'stopped') return 'ended';
  if (nowMs - Math.max(launchedAtMs, reportedMs ?? 0) > silentMs) return 'silent';
  if (dated?.report.state === 'draining') return 'interrupted';
  // Of a thousand that become ready at once, most reports are not read for minutes: one that is there is a good sign.
  if (dated === undefined && reportedMs !== undefined) return 'ready';
  return dated?.report.state === 'ready' ? 'ready' : 'booting';
};

/** What each instance is, from EC2's list, the workers' own reports, and when each last reported. */
export const membersOf = (
  instances: readonly FoundInstance[],
  {
    reports,
    reportedMs,
  }: { readonly reports: ReadonlyMap<string, DatedReport>; readonly reportedMs: ReadonlyMap<string, number> },
  nowMs: number,
): Member[] =>
  instances.map((instance) => {
    // A report of its life before it was stopped and started again says nothing of this one. Whoever has ended has not done so in
    // the second in which it was started: that is its last word of the life before.
    const isOfThisLife = (atMs: number, state?: FleetReport['state']) =>
      state === 'stopped' ? atMs > instance.launchedAtMs : atMs + cutMs >= instance.launchedAtMs;
    const found = reports.get(instance.id);
    const written = reportedMs.get(instance.id);
    const dated = found !== undefined && isOfThisLife(found.atMs, found.report.state) ? found : undefined;
    const isNews = written !== undefined && (written !== found?.atMs || dated !== undefined);
    const reported = isNews && isOfThisLife(written) ? written : undefined;
    return { instance, standing: standingOf(instance, dated, reported, nowMs), dated };
  });

/** Whether it costs money and holds a place below the maximum. */
export const isAlive = ({ instance }: Member): boolean =>
  instance.state === 'pending' || instance.state === 'running';
