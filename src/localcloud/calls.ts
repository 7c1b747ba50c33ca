/** SQS counts a request for each 64 KiB of payload: https://aws.amazon.com/sqs/pricing/ */
const sqsUnitBytes = 65_536;

/** How many API calls there were, as a bill would count them. */
export interface CallReport {
  /** By operation, since the start. */
  readonly calls: Readonly<Record<string, number>>;
  /** Requests of SQS in units of 64 KiB of what was sent or received. */
  readonly sqsUnits: number;
}

export interface CallCounter {
  count(operation: string): void;
  /** `bytes`: the larger one of request and answer. */
  countSqsUnits(bytes: number): void;
  report(): CallReport;
}

export const createCallCounter = (): CallCounter => {
  const calls = new Map<string, number>();
  let sqsUnits = 0;
  return {
    count: (operation) => {
      calls.set(operation, (calls.get(operation) ?? 0) + 1);
    },
    countSqsUnits: (bytes) => {
      sqsUnits += Math.max(1, Math.ceil(bytes / sqsUnitBytes));
    },
    report: () => ({ calls: Object.fromEntries([...calls].sort(([a], [b]) => (a < b ? -1 : 1))), sqsUnits }),
  };
};
