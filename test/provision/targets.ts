import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Connection } from '../../src/aws/connection.ts';
import { packageRoot } from '../../src/package.ts';

/** A Python with boto3 in it, which looks at what imgrec made with nothing of imgrec. */
export const python = process.env['IMGREC_TEST_BOTO3'];

export const moto = process.env['IMGREC_TEST_MOTO'];

/** A connection to moto, which keeps everything until it ends: a cluster of a name that no other run has. */
export const motoConnection = (): Connection => ({
  cluster: `t${Date.now().toString(36)}`,
  region: 'us-east-1',
  endpoint: moto,
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  pathStyle: true,
  mayBeOnEc2: false,
  // Nothing is to be packed for machines that are none.
  instancesHaveProgram: true,
});

const runPython = async (connection: Connection, ...args: readonly string[]): Promise<string> => {
  const { stdout } = await promisify(execFile)(
    python ?? '',
    [path.join(packageRoot, 'test', 'provision', 'account.py'), ...args],
    {
      env: {
        AWS_ENDPOINT_URL: connection.endpoint,
        AWS_ACCESS_KEY_ID: connection.credentials?.accessKeyId,
        AWS_SECRET_ACCESS_KEY: connection.credentials?.secretAccessKey,
      },
    },
  );
  return stdout;
};

/** What the account holds, by kind; of moto, which other tests use at the same time, what names this cluster. */
export const inventory = async (
  connection: Connection,
): Promise<Readonly<Record<string, readonly string[]>>> => {
  const { cluster, endpoint } = connection;
  const all = JSON.parse(await runPython(connection, 'inventory', cluster)) as Record<string, string[]>;
  if (endpoint !== moto) return all;
  return Object.fromEntries(
    Object.entries(all).map(([kind, names]) => [kind, names.filter((name) => name.includes(cluster))]),
  );
};

/** Somebody changes one thing of each kind of a cluster. */
export const drift = async (connection: Connection, cluster: string): Promise<void> => {
  await runPython(connection, 'drift', cluster);
};

/** What the local cloud starts as an instance: something that says it is ready and waits. */
export const instanceLauncher: readonly string[] = [
  process.execPath,
  path.join(packageRoot, 'test', 'contract', 'instance.mjs'),
];

/** One that comes up, does nothing, and ends when it is told to. */
export const idleLauncher: readonly string[] = [
  process.execPath,
  '-e',
  'process.send({type:"ready"}); process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1e6)',
];

/** The first without a Node of its own, for tests that start many: it says that it is ready on the channel that it is given. */
export const quickLauncher: readonly string[] = [
  '/bin/sh',
  '-c',
  `printf '{"type":"ready"}\\n' >&3; exec sleep 600`,
];

/** Calls that change something, by the names of their operations. */
export const isMutating = (operation: string): boolean =>
  !/:(Get|List|Describe|Head)/.test(operation) && !operation.startsWith('admin:');
