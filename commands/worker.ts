import { hostname } from 'node:os';
import type { Cluster } from '../src/aws/cluster.ts';
import { systemClock } from '../src/clock.ts';
import { workerSettings } from '../src/config/groups.ts';
import { collectRarely, keepNurserySmall } from '../src/heap.ts';
import { loadConfiguredModel } from '../src/model/configured.ts';
import { createClassifierPool } from '../src/model/pool.ts';
import type { Command } from './command.ts';
import { existingResources, seedSettings, withResources } from './seed-resources.ts';

/** What needs the AWS SDK, which takes 0.2 s to load: not before the classifiers were started, which takes them as long. */
const loadCloud = async () => {
  const [{ connect }, { findInstanceMetadata }, { serviceLog, waitForCluster }, { runWorker }] =
    await Promise.all([
      import('../src/aws/connection.ts'),
      import('../src/aws/instance-metadata.ts'),
      import('./service.ts'),
      import('../src/worker/worker.ts'),
    ]);
  return { connect, findInstanceMetadata, serviceLog, waitForCluster, runWorker };
};

export const worker: Command = {
  name: 'worker',
  summary: 'Classify queued images until told to stop',
  description:
    'Run one worker until SIGINT or SIGTERM: it then finishes what runs, hands back what has not started, and exits 0. A second signal ends it at once.',
  settings: [...workerSettings, 'transport', ...seedSettings],
  examples: [
    { does: 'against the local cloud that "imgrec dev --only cloud" runs', line: 'imgrec worker --local' },
    {
      does: 'one classifier process, and a shorter visibility timeout',
      line: 'imgrec worker --local --classifiers 1 --visibility 15',
    },
    {
      does: "behind a web tier that speaks the course project's messages",
      line: 'imgrec worker --local --transport seed --request-queue requests --response-queue responses --input-bucket images --output-bucket labels',
    },
  ],
  run: async (settings, { signal, ready, workingFolder, output, stderr, environment }) => {
    collectRarely();
    keepNurserySmall();
    const existing = existingResources(settings);
    const model = await loadConfiguredModel(settings, workingFolder);
    const pool = createClassifierPool({
      model,
      classifiers: settings.classifiers,
      jobTimeoutMs: settings.jobTimeoutSeconds * 1_000,
      limits: settings,
    });
    let cluster: Cluster | undefined;
    try {
      const { connect, findInstanceMetadata, serviceLog, waitForCluster, runWorker } = await loadCloud();
      const log = serviceLog(settings, { stderr });
      const connection = connect(settings, workingFolder);
      const opened = await waitForCluster(connection, log, signal);
      cluster = opened && withResources(opened, existing);
      const metadata = connection.mayBeOnEc2
        ? await findInstanceMetadata(environment, systemClock)
        : undefined;
      if (cluster === undefined) return undefined;
      await pool.ready();
      ready(`classifying with ${model.name} in ${pool.size} processes`, {
        model: model.name,
        classifiers: pool.size,
      });
      const totals = await runWorker({
        cluster,
        pool,
        model,
        name: environment['IMGREC_INSTANCE_ID'] ?? `${hostname()}-${process.pid}`,
        visibilitySeconds: settings.visibilitySeconds,
        maxReceives: settings.maxReceives,
        pollWaitSeconds: settings.pollWaitSeconds,
        reportIntervalSeconds: settings.reportIntervalSeconds,
        jobTimeoutSeconds: settings.jobTimeoutSeconds,
        graceSeconds: settings.graceSeconds,
        idleExitSeconds: settings.idleExitSeconds,
        ...(metadata === undefined ? {} : { metadata }),
        ...(existing === undefined ? {} : { seed: existing }),
        clock: systemClock,
        log,
        signal,
      });
      output.info(`stopped: ${JSON.stringify(totals)}`);
      return undefined;
    } finally {
      await pool.close();
      cluster?.close();
    }
  },
};
