/** What a simulation assumes of everything but the policy. */
export interface World {
  /** Images a second of one worker. */
  readonly serviceRate: number;
  /** Coefficient of variation of the service time, below 1. */
  readonly serviceVariation: number;
  /** From arrival to a waiting worker's hands: SQS and S3. */
  readonly fetchSeconds: number;
  readonly bootMinSeconds: number;
  readonly bootMaxSeconds: number;
  /** Share of the boots that take five times as long, and share that never ends. */
  readonly slowBoots: number;
  readonly hungBoots: number;
  /** EC2 bills a minute at least. */
  readonly minBilledSeconds: number;
  /** A count of the queue is up to this old, and off by this relative standard deviation. */
  readonly readingAgeSeconds: number;
  readonly readingNoise: number;
  /** Web processes and workers report this often; the policy knows what the newest report says. */
  readonly webReportSeconds: number;
  readonly workerReportSeconds: number;
  /** Share of the launch calls that are refused. */
  readonly refusedLaunches: number;
  /** Every launch in this span of the trace is refused. */
  readonly outage?: { readonly fromSeconds: number; readonly toSeconds: number };
  /** Interruptions for each hour that an instance runs; two minutes' notice. */
  readonly spotPerHour: number;
  /** Until the message of a lost worker can be received again. */
  readonly visibilitySeconds: number;
  /** Simulated after the last bin, so that what is queued can still be served. */
  readonly graceSeconds: number;
  readonly seed: number;
}

/** Those of the measured prototype, so that figures can be compared; on AWS a boot takes one to two minutes. */
export const defaultWorld: World = {
  serviceRate: 1,
  serviceVariation: 0.3,
  fetchSeconds: 0.05,
  bootMinSeconds: 60,
  bootMaxSeconds: 120,
  slowBoots: 0,
  hungBoots: 0,
  minBilledSeconds: 60,
  readingAgeSeconds: 20,
  readingNoise: 0.02,
  webReportSeconds: 10,
  workerReportSeconds: 20,
  refusedLaunches: 0,
  spotPerHour: 0,
  visibilitySeconds: 60,
  graceSeconds: 900,
  seed: 7,
};
