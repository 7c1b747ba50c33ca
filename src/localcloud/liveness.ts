import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

interface Status {
  readonly zombie: boolean;
  /** When the process started, in whatever form the platform tells; equal only for the same process. */
  readonly started: string;
}

const linuxStatus = (pid: number): Status | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name stands in brackets and may hold anything; state is field 3, start time field 22 of proc(5).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return { zombie: fields[0] === 'Z' || fields[0] === 'X', started: `${boot}/${fields[19] ?? ''}` };
  } catch {
    return undefined;
  }
};

const psStatus = (pid: number): Status | undefined => {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    if (line === '') return undefined;
    const space = line.indexOf(' ');
    return { zombie: line.startsWith('Z'), started: line.slice(space + 1).trim() };
  } catch {
    return undefined;
  }
};

const statusOf = process.platform === 'linux' ? linuxStatus : psStatus;

/** A text that only this run of this pid has; undefined when there is no such process. */
export const identifyProcess = (pid: number): string | undefined => statusOf(pid)?.started;

/** Whether the process that was identified so still runs. A zombie (killed, not yet reaped by its parent) does not. */
export const aliveProcess = (pid: number, identity: string): boolean => {
  const status = statusOf(pid);
  return status !== undefined && !status.zombie && status.started === identity;
};
