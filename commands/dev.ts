import path from 'node:path';
import { aborted, systemClock } from '../src/clock.ts';
import { type DevCluster, startDevCluster } from '../src/dev/dev-cluster.ts';
import { workerSettingsOf } from '../src/provision/worker-settings.ts';
import type { Command } from './command.ts';
import { workerSettings } from './worker.ts';

export const dev: Command = {
  name: 'dev',
  summary: 'Run a whole cluster on this machine until Ctrl-C',
  description:
    'Start the local cloud, provision a cluster in it, and run the web tier and worker instances, launched through the EC2 API. Ctrl-C drains and stops all; a second one stops at once.',
  settings: ['port', 'workers', 'only', 'waitSeconds', 'reply', 'top', 'retentionSeconds', ...workerSettings],
  examples: [
    { does: 'a cluster with two workers at http://127.0.0.1:8081/', line: 'imgrec dev --workers 2' },
    { does: 'only the local cloud, for the other commands with --local', line: 'imgrec dev --only cloud' },
  ],
  run: async (settings, { signal, output, ready, workingFolder, resolved }) => {
    const stateFolder = path.resolve(workingFolder, settings.state);
    const serveArgs = [
      ...['--wait', String(settings.waitSeconds), '--reply', settings.reply, '--top', String(settings.top)],
      ...['--max-image-bytes', String(settings.maxImageBytes), '--max-pixels', String(settings.maxPixels)],
    ];
    let cluster: DevCluster | undefined;
    // The second signal ends this process at once; the parts then see their channels close and end too.
    cluster = await startDevCluster({
      cluster: settings.cluster,
      stateFolder,
      ...(settings.only === 'cloud' ? {} : { serve: { port: settings.port, args: serveArgs } }),
      workers: settings.workers,
      retentionSeconds: settings.retentionSeconds,
      visibilitySeconds: settings.visibilitySeconds,
      workerSettings: workerSettingsOf(resolved),
      clock: systemClock,
      say: output.info,
    });
    const { url, endpoint } = cluster;
    if (url === undefined)
      ready(`local cloud at ${endpoint}; use it with --local (Ctrl-C stops it)`, { endpoint });
    else {
      await cluster.workersReady();
      ready(`ready: ${url} (Ctrl-C stops the cluster)`, { url, endpoint });
    }
    await aborted(signal);
    output.info('draining; Ctrl-C again stops at once');
    await cluster.stop();
    return undefined;
  },
};
