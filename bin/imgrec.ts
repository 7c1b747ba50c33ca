#!/usr/bin/env node
import { terminalAsk } from '../commands/ask.ts';
import { run } from '../commands/program.ts';
import { processSignal, survivesClosedPipes } from '../commands/signals.ts';

survivesClosedPipes();
const signal = processSignal();
const ask = terminalAsk(signal);
const notify = process.send?.bind(process);
process.exitCode = await run({
  argv: process.argv.slice(2),
  environment: process.env,
  workingFolder: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  signal,
  ...(ask ? { ask } : {}),
  ...(notify ? { notify: (message: object) => notify(message) } : {}),
});
