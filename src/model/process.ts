import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { compiledModule } from '../package.ts';
import type { Model } from './model.ts';
import type { ClassifierReply, ClassifierRequest } from './protocol.ts';

/** What a classifier process tells the pool. Nothing follows `gone`. */
export interface ProcessEvents {
  onReply(reply: ClassifierReply): void;
  /** @param how exit code or signal, and the last line it wrote on stderr */
  onGone(how: string): void;
}

export interface ClassifierProcess {
  readonly pid: number | undefined;
  send(request: ClassifierRequest): void;
  /** SIGKILL: there is nothing in it to save. Resolves when it has gone. */
  kill(): Promise<void>;
}

const keptStderr = 2_000;

/**
 * glibc's allocator would keep decoded images of many sizes in many arenas: a classifier grew from 150 to 250 MB in 10,000 images.
 * Fixed thresholds give what is as large as a file back at once. Other allocators do not look at these.
 */
const allocator = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '32768',
  MALLOC_TRIM_THRESHOLD_: '131072',
};

/**
 * What decodes strangers' images needs nobody's credentials, and calls nobody: NODE_EXTRA_CA_CERTS alone, with a system's usual
 * certificates, makes Node start 36 ms of CPU later.
 */
const isNeedless = (name: string): boolean => /^(AWS|IMGREC)_/.test(name) || name === 'NODE_EXTRA_CA_CERTS';

/** A classifier's own environment. */
const classifierEnvironment = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...allocator,
  ...Object.fromEntries(Object.entries(environment).filter(([name]) => !isNeedless(name))),
});

const describeEnd = (code: number | null, signal: string | null, stderr: string): string => {
  const end = signal === null ? `exit code ${code}` : `signal ${signal}`;
  const lines = stderr.trim().split('\n');
  const said = lines.find((line) => /error/i.test(line)) ?? lines.at(-1);
  return said ? `${end}: ${said.trim()}` : end;
};

/** Starts one classifier process and tells it to open the model. */
export const startClassifier = (
  options: { readonly model: Model; readonly maxPixels: number; readonly nice: number },
  events: ProcessEvents,
): ClassifierProcess => {
  const child: ChildProcess = fork(compiledModule('src/model/classifier.ts'), [String(options.nice)], {
    // Not the parent's: an --inspect port, for one, can be bound only once.
    execArgv: [],
    serialization: 'advanced',
    env: classifierEnvironment(process.env),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-keptStderr);
  });
  let gone = false;
  const end = (how: string): void => {
    if (gone) return;
    gone = true;
    events.onGone(how);
  };
  child.on('message', (reply: ClassifierReply) => {
    if (!gone) events.onReply(reply);
  });
  // `close`, not `exit`: by then everything it sent and wrote has been read.
  child.on('close', (code, signal) => end(describeEnd(code, signal, stderr)));
  // A process that could not be started emits no `close`. Failing to send also ends here, and then `close` follows.
  child.on('error', (error) => {
    if (child.pid === undefined) end(error.message);
  });
  const send = (request: ClassifierRequest): void => {
    if (child.connected) child.send(request, () => {});
  };
  send({ kind: 'open', model: options.model, maxPixels: options.maxPixels });
  return {
    pid: child.pid,
    send,
    kill: async () => {
      if (gone || child.pid === undefined) return;
      const closed = once(child, 'close');
      child.kill('SIGKILL');
      await closed;
    },
  };
};
