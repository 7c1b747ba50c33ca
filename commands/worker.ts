import { hostname } from 'node:os';
import { connect } from '../src/aws/connection.ts';
import { findInstanceMetadata } from '../src/aws/instance-metadata.ts';
import { systemClock } from '../src/clock.ts';
import type { SettingKey } from '../src/config/settings.ts';
import { loadConfiguredModel, modelSettings } from '../src/model/configured.ts';
import { createClassifierPool } from '../src/model/pool.ts';
import { runWorker } from '../src/worker/worker.ts';
import type { Command } from './command.ts';
import { serviceLog, waitForCluster } from './service.ts';

export const workerSettings = [
  ...modelSettings,
  'classifiers',
  'jobTimeoutSeconds',
  'maxImageBytes',
  'maxPixels',
  'visibilitySeconds',
  'maxReceives',
  'pollWaitSeconds',
  'graceSeconds',
] as const satisfies SettingKey[];

export const worker: Command = {
  name: 'worker',
  summary: 'Classify queued images until told to stop',
  description:
    'Run one worker until SIGINT or SIGTERM: it then finishes what runs, hands back what has not started, and exits 0. A second signal ends it at once.',
  settings: workerSettings,
  examples: [
    { does: 'against the local cloud that "imgrec dev --only cloud" runs', line: 'imgrec worker --local' },
    {
      does: 'one classifier process, and a shorter visibility timeout',
      line: 'imgrec worker --local --classifiers 1 --visibility 15',
    },
  ],
  run: async (settings, { signal, ready, workingFolder, output, stderr, environment }) => {
    const log = serviceLog(settings, { stderr });
    const model = await loadConfiguredModel(settings, workingFolder);
    const pool = createClassifierPool({
      model,
      classifiers: settings.classifiers,
      jobTimeoutMs: settings.jobTimeoutSeconds * 1_000,
      limits: settings,
    });
    const connection = connect(settings, workingFolder);
    const cluster = await waitForCluster(connection, log, signal);
    const metadata = connection.mayBeOnEc2 ? await findInstanceMetadata(environment, systemClock) : undefined;
    try {
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
        jobTimeoutSeconds: settings.jobTimeoutSeconds,
        graceSeconds: settings.graceSeconds,
        ...(metadata === undefined ? {} : { metadata }),
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
