import path from 'node:path';
import { aborted, systemClock } from '../src/clock.ts';
import { workerSettings } from '../src/config/groups.ts';
import { type DevCluster, startDevCluster } from '../src/dev/dev-cluster.ts';
import { isFaultSeed, loadFaultPlan } from '../src/localcloud/faults/source.ts';
import { loadConfiguredModel } from '../src/model/configured.ts';
import { workerSettingsOf } from '../src/provision/worker-settings.ts';
import type { Command } from './command.ts';
import { devScale, scaledInDev } from './dev-scale.ts';

/** A seed as it is, a file from where the command runs; either is read once here, so that a mistake is told at once. */
const faultsArgument = (fileOrSeed: string, workingFolder: string): string => {
  const argument = isFaultSeed(fileOrSeed) ? fileOrSeed : path.resolve(workingFolder, fileOrSeed);
  loadFaultPlan(argument);
  return argument;
};

export const dev: Command = {
  name: 'dev',
  summary: 'Run a whole cluster on this machine until Ctrl-C',
  description:
    'Start the local cloud, provision a cluster in it, and run the web tier and worker instances, launched through the EC2 API. Ctrl-C drains and stops all; a second one stops at once.',
  settings: [
    'port',
    'apiKeyFile',
    'workers',
    ...scaledInDev,
    'only',
    'faults',
    'waitSeconds',
    'reply',
    'top',
    'retentionSeconds',
    ...workerSettings,
  ],
  examples: [
    { does: 'a cluster with two workers at http://127.0.0.1:8081/', line: 'imgrec dev --workers 2' },
    {
      does: 'no worker at rest, up to four small ones under load',
      line: 'imgrec dev --min-workers 0 --max-workers 4 --classifiers 1',
    },
    { does: 'only the local cloud, for the other commands with --local', line: 'imgrec dev --only cloud' },
    { does: 'a cluster on an unlucky day, the same one for the same seed', line: 'imgrec dev --faults 1' },
  ],
  run: async (settings, { signal, output, ready, workingFolder, resolved }) => {
    const stateFolder = path.resolve(workingFolder, settings.state);
    // A model that cannot be read is refused here and now, not in the logs of workers that do not start.
    if (settings.only === undefined) await loadConfiguredModel(settings, workingFolder);
    const serveArgs = [
      ...['--wait', String(settings.waitSeconds), '--reply', settings.reply, '--top', String(settings.top)],
      ...['--max-image-bytes', String(settings.maxImageBytes), '--max-pixels', String(settings.maxPixels)],
      ...['--grace', String(settings.graceSeconds)],
      ...(resolved.sources.reportIntervalSeconds === 'default'
        ? []
        : ['--report-interval', String(settings.reportIntervalSeconds)]),
      ...(settings.apiKeyFile === undefined
        ? []
        : ['--api-key-file', path.resolve(workingFolder, settings.apiKeyFile)]),
    ];
    let cluster: DevCluster;
    try {
      cluster = await startDevCluster({
        cluster: settings.cluster,
        stateFolder,
        ...(settings.only === 'cloud' ? {} : { serve: { port: settings.port, args: serveArgs } }),
        scale: devScale(settings, resolved),
        retentionSeconds: settings.retentionSeconds,
        visibilitySeconds: settings.visibilitySeconds,
        graceSeconds: settings.graceSeconds,
        workerSettings: workerSettingsOf(resolved, workingFolder),
        ...(settings.faults !== undefined && { faults: faultsArgument(settings.faults, workingFolder) }),
        clock: systemClock,
        say: output.info,
        signal,
      });
    } catch (error) {
      // Ctrl-C before it was ready stops it as well as one after.
      if (signal.aborted) return undefined;
      throw error;
    }
    const { url, endpoint } = cluster;
    if (url === undefined)
      ready(`local cloud at ${endpoint}; use it with --local (Ctrl-C stops it)`, { endpoint });
    else ready(`ready: ${url} (Ctrl-C stops the cluster)`, { url, endpoint });
    await aborted(signal);
    output.info('draining; Ctrl-C again stops at once');
    await cluster.stop();
    return undefined;
  },
};
