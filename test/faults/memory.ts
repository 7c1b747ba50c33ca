import { readdirSync, readFileSync } from 'node:fs';

/** A figure of `/proc/<pid>/status` in MB; 0 when the process is gone, or the system has no /proc. */
const statusMb = (pid: number, name: 'VmRSS' | 'VmHWM'): number => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const [, kilobytes = '0'] = new RegExp(`${name}:\\s+(\\d+)`).exec(status) ?? [];
    return Number(kilobytes) / 1_024;
  } catch {
    return 0;
  }
};

/** Resident memory of a process in MB; 0 when it is gone, or the system has no /proc. */
export const residentMb = (pid: number): number => statusMb(pid, 'VmRSS');

/** The most that a process has ever had resident, in MB; 0 when it is gone, or the system has no /proc. */
export const peakResidentMb = (pid: number): number => statusMb(pid, 'VmHWM');

/** Open files and sockets of a process. */
export const openFiles = (pid: number): number => {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
};

/** CPU seconds that a process has used; Linux counts in ticks of 10 ms. */
export const cpuSeconds = (pid: number): number => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
};

/** Slope of the line through points by least squares. */
export const slope = (points: readonly (readonly [x: number, y: number])[]): number => {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const under = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return under === 0 ? 0 : over / under;
};
