import { createInterface } from 'node:readline/promises';

/**
 * Asks on stderr, reads the answer from stdin: anything but "y" or "yes" is a no, and so is Ctrl-C or the end of the input.
 */
const ask = async (question: string, signal: AbortSignal): Promise<boolean> => {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new AbortController();
  terminal.once('close', () => ended.abort());
  // readline takes Ctrl-C for itself: without this it would only close the question.
  terminal.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    const answer = await terminal.question(`${question} [y/N] `, {
      signal: AbortSignal.any([signal, ended.signal]),
    });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') return false;
    throw error;
  } finally {
    terminal.close();
  }
};

/** Asks the person at this process's terminal; undefined when there is none. */
export const terminalAsk = (signal: AbortSignal): ((question: string) => Promise<boolean>) | undefined =>
  process.stdin.isTTY && process.stderr.isTTY ? (question) => ask(question, signal) : undefined;
