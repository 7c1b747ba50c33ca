import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ImgrecError } from '../errors.ts';
import type { ScalerStanding } from './memory.ts';

interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly value: (fleet: ScalerStanding) => number | undefined;
}

const gauges: readonly Gauge[] = [
  { name: 'desired_workers', help: 'Workers that there should be', value: ({ desired }) => desired },
  { name: 'ready_workers', help: 'Workers that work', value: ({ ready }) => ready },
  {
    name: 'booting_workers',
    help: 'Workers that were launched and are not ready',
    value: ({ booting }) => booting,
  },
  { name: 'draining_workers', help: 'Workers on their way out', value: ({ draining }) => draining },
  { name: 'stopped_workers', help: 'Workers of the warm pool', value: ({ warm }) => warm },
  {
    name: 'backlog_messages',
    help: 'Requests visible, in flight and delayed',
    value: ({ backlog }) => backlog,
  },
  {
    name: 'oldest_wait_seconds',
    help: 'Longest wait of a request that a worker has received lately',
    value: ({ oldestSeconds }) => oldestSeconds,
  },
  {
    name: 'arriving_images_per_second',
    help: 'Images that arrive, as the policy estimates them',
    value: ({ arrivingPerSecond }) => arrivingPerSecond,
  },
  { name: 'decision_timestamp_seconds', help: 'When this was decided', value: ({ atMs }) => atMs / 1_000 },
];

/** The text format of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/ */
const renderMetrics = (fleet: ScalerStanding | undefined): string =>
  gauges
    .flatMap(({ name, help, value }) => {
      const shown = fleet && value(fleet);
      if (shown === undefined) return [];
      const full = `imgrec_scale_${name}`;
      return [`# HELP ${full} ${help}`, `# TYPE ${full} gauge`, `${full} ${shown}`];
    })
    .map((line) => `${line}\n`)
    .join('');

/** Serves the metrics on loopback. @throws ImgrecError when the port cannot be had */
export const serveMetrics = async (
  port: number,
  fleet: () => ScalerStanding | undefined,
): Promise<{ readonly url: string; close(): void }> => {
  const server = createServer((request, response) => {
    const found = request.url === '/metrics' && request.method === 'GET';
    response.writeHead(found ? 200 : 404, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
    response.end(found ? renderMetrics(fleet()) : 'see /metrics\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new ImgrecError(`port ${port} cannot be had for metrics`, {
          hint: 'choose another with --metrics-port',
          cause,
        }),
      ),
    );
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
};
