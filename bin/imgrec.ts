#!/usr/bin/env node
import { run } from '../commands/program.ts';
import { processSignal, survivesClosedPipes } from '../commands/signals.ts';

survivesClosedPipes();
const notify = process.send?.bind(process);
process.exitCode = await run({
  argv: process.argv.slice(2),
  environment: process.env,
  workingFolder: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  signal: processSignal(),
  ...(notify ? { notify: (message: object) => notify(message) } : {}),
});
