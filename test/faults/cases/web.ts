import { setTimeout as delay } from 'node:timers/promises';
import { becomesTrue, urlOf } from '../lab.ts';
import { startLoad } from '../load.ts';
import type { Part } from '../parts.ts';
import { atLeast, atMost, conclude, equals, type FaultTest, isTrue } from '../trial.ts';

/** Reply queues are swept after 300 s; a test cannot wait for that, so its web tier counts in shorter seconds. */
const hurriedSweep = [
  {
    file: 'src/reports/reports.js',
    find: 'export const webReportIntervalMs = 10_000;',
    replace: 'export const webReportIntervalMs = 500;',
  },
  {
    file: 'src/reports/reports.js',
    find: 'export const webReportMaxAgeMs = 300_000;',
    replace: 'export const webReportMaxAgeMs = 3_000;',
  },
] as const;
const sweptAfterMs = 3_000;
/** How many answers are looked up at another web process. */
const lookedUp = 200;

const killWebs: FaultTest = {
  name: 'F3',
  title: 'SIGKILL of a web process of 2',
  run: async (trial) => {
    const lab = await trial.lab({ visibilitySeconds: 10 });
    const product = await trial.mutated(hurriedSweep);
    await lab.startWorker();
    const urls = new Map<Part, string>();
    const startWeb = async () => {
      const web = await lab.startWeb({ product });
      urls.set(web, await urlOf(web));
    };
    await Promise.all([startWeb(), startWeb()]);
    const load = startLoad({
      urls: () => lab.webs().flatMap((web) => urls.get(web) ?? []),
      photos: trial.photos,
      concurrency: 16,
      sendsAgain: true,
    });
    let killedAtMs = 0;
    const kills = trial.pick(3, 12);
    for (let kill = 0; kill < kills; kill++) {
      await delay(trial.pick(1_500, 5_000));
      await trial.random.pick(lab.webs()).kill();
      killedAtMs = performance.now();
      await startWeb();
    }
    await delay(1_000);
    load.stop();
    await load.done;
    const unanswered = load.operations.filter(({ end }) => end.kind !== 'ok').length;

    // Any web process has every answer, whoever took the image: this one took none.
    await delay(sweptAfterMs + 1_000);
    await startWeb();
    const other = urls.get(lab.webs().at(-1) as Part) ?? '';
    const ids = load.operations.flatMap(({ id, end }) => (id && end.kind === 'ok' ? [id] : []));
    let unreadable = 0;
    let longestMs = 0;
    for (const id of ids.slice(-lookedUp)) {
      const startedAtMs = performance.now();
      if ((await fetch(new URL(`/v1/results/${id}`, other))).status !== 200) unreadable++;
      longestMs = Math.max(longestMs, performance.now() - startedAtMs);
    }
    const { sqs, names } = lab.cluster;
    const queues = async () => (await sqs.list(names.replyPrefix)).length;
    const swept = await becomesTrue(async () => (await queues()) === lab.webs().length, 10_000);
    const results = (await lab.cluster.s3.list(names.outputBucket, 'results/')).length;
    return conclude(lab, load.operations, killedAtMs, async () => [
      atLeast('clients whose web process died', load.broken(), 1),
      equals('clients without an answer in the end', unanswered, 0),
      equals('results', results, load.operations.length),
      equals('answers unreadable at another web process', unreadable, 0),
      atMost('ms to read one, at most', longestMs, 5_000),
      isTrue(`only living web processes have a reply queue (${await queues()})`, swept),
    ]);
  },
};

export const webTests: readonly FaultTest[] = [killWebs];
