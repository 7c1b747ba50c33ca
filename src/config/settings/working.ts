import { integer, optional, seconds, setting } from '../setting.ts';

/** A worker. */
export const workingSettings = {
  visibilitySeconds: setting({
    name: 'visibility',
    type: integer(3, 43_200),
    default: 30,
    placeholder: 'SECONDS',
    help: 'visibility timeout of requests, renewed every third of it while a worker holds them',
  }),
  maxReceives: setting({
    name: 'max-receives',
    type: integer(1, 1_000),
    default: 3,
    placeholder: 'N',
    help: 'deliveries after which a request that kills or hangs its classifier becomes a dead letter',
  }),
  pollWaitSeconds: setting({
    name: 'poll-wait',
    type: integer(1, 20),
    default: 5,
    placeholder: 'SECONDS',
    help: 'length of a long poll for requests; a draining worker waits for the one under way',
  }),
  reportIntervalSeconds: setting({
    name: 'report-interval',
    type: seconds(1, 20),
    default: 20,
    placeholder: 'TIME',
    help: 'time between two reports of a worker to the scaler, each a PUT; a web process reports every 10 s, or as often',
  }),
  idleExitSeconds: setting({
    name: 'idle-exit',
    type: optional(seconds(1, 7 * 86_400)),
    default: undefined,
    placeholder: 'TIME',
    help: 'end after this time without work if no scaler was seen either (default: never)',
  }),
  graceSeconds: setting({
    name: 'grace',
    type: seconds(1, 3_600),
    default: 30,
    placeholder: 'TIME',
    help: 'time to finish what runs after the first SIGTERM or SIGINT',
  }),
} as const;
