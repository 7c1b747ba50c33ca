import { parseArgs } from 'node:util';
import { messageOf } from '../errors.ts';
import { collectRarely } from '../heap.ts';
import { loadFaultPlan } from './faults/source.ts';
import { startLocalCloud } from './server.ts';

/** Whether the tests want every local cloud to be as unaccommodating as AWS, those behind `imgrec dev` included. */
const testStrict = process.env['IMGREC_TEST_STRICT'] === '1';

/**
 * The process that a supervisor starts with `child_process.fork`: `--state DIR [--port N] [--faults FILE|SEED] [--strict-s3-403] [--strand-aborted-poll]
 * [--slow-iam] [--idle-instances] [--call-log] [-- LAUNCHER ARGV...]`.
 * It sends `{type:'ready', endpoint}` or `{type:'failed', message, hint}`, and ends on `{type:'stop'}`, on SIGTERM and when
 * its channel closes, so that no death of the supervisor leaves it behind. A second SIGTERM ends it at once.
 */
const run = async (): Promise<void> => {
  collectRarely();
  const { values, positionals } = parseArgs({
    options: {
      state: { type: 'string' },
      port: { type: 'string', default: '0' },
      faults: { type: 'string' },
      'strict-s3-403': { type: 'boolean', default: testStrict },
      'strand-aborted-poll': { type: 'boolean', default: testStrict },
      'slow-iam': { type: 'boolean', default: false },
      'idle-instances': { type: 'boolean', default: false },
      'call-log': { type: 'boolean', default: process.env['IMGREC_TEST_CALL_LOG'] === '1' },
    },
    allowPositionals: true,
  });
  if (values.state === undefined) throw new Error('--state DIR is needed');
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port ${values.port} is no port`);

  const cloud = await startLocalCloud({
    stateFolder: values.state,
    port,
    ...(positionals.length > 0 && { launcher: positionals }),
    ...(values.faults !== undefined && { faults: loadFaultPlan(values.faults) }),
    strict403: values['strict-s3-403'],
    strandAbortedPoll: values['strand-aborted-poll'],
    slowIam: values['slow-iam'],
    idleInstances: values['idle-instances'],
    callLog: values['call-log'],
    log: (line) => process.stderr.write(`${JSON.stringify(line)}\n`),
  });

  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    cloud.close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${messageOf(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => {
    if (stopping) process.exit(1);
    stop();
  });
  if (process.send) {
    // Ctrl-C of a terminal reaches the whole group; the supervisor decides what it means.
    process.on('SIGINT', () => {});
    process.on('disconnect', stop);
    process.on('message', (message) => {
      if (typeof message === 'object' && message !== null && 'type' in message && message.type === 'stop')
        stop();
    });
    process.send({ type: 'ready', endpoint: cloud.endpoint });
    if (!process.connected) stop();
  } else {
    process.on('SIGINT', () => {
      if (stopping) process.exit(1);
      stop();
    });
    process.stdout.write(`${cloud.endpoint}\n`);
  }
};

run().catch((error: unknown) => {
  const hint = error instanceof Error && 'hint' in error ? error.hint : undefined;
  process.stderr.write(`${messageOf(error)}\n`);
  // The exit waits for the message, which the supervisor shows instead of this process's stderr.
  if (process.send) process.send({ type: 'failed', message: messageOf(error), hint }, () => process.exit(1));
  else process.exit(1);
});
