/** What one run of the controller sees. All times are seconds on one clock: only differences are used, but for schedules, which read it as Unix time. */
export interface Observation {
  readonly nowSeconds: number;
  /** SQS's approximate counts: noisy, and seconds old. */
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
  /** Images that came in, from cumulative counters: news since the last run, oldest first, never the same image twice. */
  readonly arrivals: readonly Arrivals[];
  /** Launch calls refused since the last run. */
  readonly launchFailures: number;
  /** Ours and alive; without those that drain, are stopped, or are about to be ended. */
  readonly instances: readonly ObservedInstance[];
  /** What the next launch will give; absent: the type of the newest instance. */
  readonly next?: LaunchKind;
}

export interface Arrivals {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export interface LaunchKind {
  /** Instance type. */
  readonly type: string;
  /** A stopped instance is started again: its boot is learned apart. */
  readonly warm?: boolean;
}

export interface ObservedInstance extends LaunchKind {
  readonly id: string;
  /** `pending` and `running` are EC2's words and both mean that it does not work yet; `ready` is the worker's own. */
  readonly state: 'pending' | 'running' | 'ready';
  /** Of the launch, or of the start of a warm one. */
  readonly launchedAtSeconds: number;
  readonly readyAtSeconds?: number;
  /** A spot interruption or rebalance notice: it is not counted any more, so that its successor starts now. */
  readonly interruptAtSeconds?: number;
  /** The worker's cumulative counters, as last reported; they start anew with the worker. */
  readonly imagesDone?: number;
  readonly busySeconds?: number;
  /** Images that it works on at the same time; 1 when absent. `busySeconds` is summed over them. */
  readonly classifiers?: number;
}
