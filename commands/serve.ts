import { isIPv4, isIPv6 } from 'node:net';
import { connect } from '../src/aws/connection.ts';
import { systemClock } from '../src/clock.ts';
import { usageError } from '../src/errors.ts';
import { collectRarely } from '../src/heap.ts';
import { openKeyring } from '../src/web/keyring.ts';
import { serve as serveImages } from '../src/web/serve.ts';
import { keySourceOf } from './api-keys.ts';
import type { Command } from './command.ts';
import { existingResources, seedSettings, withResources } from './seed-resources.ts';
import { serviceLog, waitFor, waitForCluster } from './service.ts';

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
    'apiKeyFile',
    'apiKeys',
    'waitSeconds',
    'graceSeconds',
    'reply',
    'transport',
    ...seedSettings,
    'top',
    'maxImageBytes',
    'maxPixels',
    'reportIntervalSeconds',
  ],
  examples: [
    { does: 'against the local cloud that "imgrec dev --only cloud" runs', line: 'imgrec serve --local' },
    {
      does: 'another port, and answers such as "cat:tabby"',
      line: 'imgrec serve --local --port 8000 --reply stem:label',
    },
    {
      does: 'only for whoever has an API key of those that "imgrec provision --api-keys" made',
      line: 'imgrec serve --local --api-keys',
    },
    {
      does: "before workers that speak the course project's messages",
      line: 'imgrec serve --local --transport seed --request-queue requests --response-queue responses --input-bucket images --output-bucket labels',
    },
  ],
  run: async (settings, { signal, ready, workingFolder, stderr }) => {
    collectRarely();
    const { host } = settings;
    const asksForKeys = settings.apiKeyFile !== undefined || settings.apiKeys === true;
    if (!isLoopback(host) && !asksForKeys && !settings.public)
      throw usageError(
        `--host ${host} can be reached from other machines`,
        'name those who may use it with --api-key-file, or add --public if it is for everybody',
      );
    const log = serviceLog(settings, { stderr });
    const existing = existingResources(settings);
    const connection = connect(settings, workingFolder);
    const opened = await waitForCluster(connection, log, signal);
    if (opened === undefined) return undefined;
    const cluster = withResources(opened, existing);
    const source = keySourceOf(settings, connection, workingFolder);
    try {
      const keyring =
        source &&
        (await waitFor(() => openKeyring(source, { clock: systemClock, log, signal }), log, signal));
      if (source !== undefined && keyring === undefined) return undefined;
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
        keyring,
        limits: settings,
        reportIntervalSeconds: settings.reportIntervalSeconds,
        clock: systemClock,
        log,
        signal,
        onReady: (port) => {
          const url = `http://${isIPv6(host) ? `[${host}]` : host}:${port}/`;
          const whom = keyring === undefined ? '' : ', for whoever has an API key';
          ready(`serving on ${url}${whom}`, { url });
        },
      });
    } finally {
      source?.close();
      cluster.close();
    }
    return undefined;
  },
};
