import { isIPv4, isIPv6 } from 'node:net';
import { connect } from '../src/aws/connection.ts';
import { systemClock } from '../src/clock.ts';
import { usageError } from '../src/errors.ts';
import { collectRarely } from '../src/heap.ts';
import { serve as serveImages } from '../src/web/serve.ts';
import type { Command } from './command.ts';
import { existingResources, seedSettings, withResources } from './seed-resources.ts';
import { serviceLog, waitForCluster } from './service.ts';

/** Addresses, not what looks like one: `127.0.0.1.example.com` is whatever its owner says. */
const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));

export const serve: Command = {
  name: 'serve',
  summary: 'Run the web tier: images in over HTTP, labels out',
  description:
    'Run one web process until SIGINT or SIGTERM. POST an image to / or /v1/images, as a form or as it is; GET /v1/results/<id> reads a result later.',
  settings: [
    'port',
    'host',
    'public',
    'waitSeconds',
    'graceSeconds',
    'reply',
    'transport',
    ...seedSettings,
    'top',
    'maxImageBytes',
    'maxPixels',
  ],
  examples: [
    { does: 'against the local cloud that "imgrec dev --only cloud" runs', line: 'imgrec serve --local' },
    {
      does: 'another port, and answers such as "cat:tabby"',
      line: 'imgrec serve --local --port 8000 --reply stem:label',
    },
    {
      does: "before workers that speak the course project's messages",
      line: 'imgrec serve --local --transport seed --request-queue requests --response-queue responses --input-bucket images --output-bucket labels',
    },
  ],
  run: async (settings, { signal, ready, workingFolder, stderr }) => {
    collectRarely();
    const { host } = settings;
    if (!isLoopback(host) && !settings.public)
      throw usageError(
        `--host ${host} can be reached from other machines`,
        'add --public if that is what you want',
      );
    const log = serviceLog(settings, { stderr });
    const existing = existingResources(settings);
    const opened = await waitForCluster(connect(settings, workingFolder), log, signal);
    if (opened === undefined) return undefined;
    const cluster = withResources(opened, existing);
    try {
      await serveImages({
        cluster,
        host,
        port: settings.port,
        waitSeconds: settings.waitSeconds,
        graceSeconds: settings.graceSeconds,
        reply: settings.reply,
        topK: settings.top,
        transport: settings.transport === 'inline' ? 'inline' : 'key',
        ...(existing === undefined ? {} : { seed: existing }),
        limits: settings,
        clock: systemClock,
        log,
        signal,
        onReady: (port) => {
          const url = `http://${isIPv6(host) ? `[${host}]` : host}:${port}/`;
          ready(`serving on ${url}`, { url });
        },
      });
    } finally {
      cluster.close();
    }
    return undefined;
  },
};
