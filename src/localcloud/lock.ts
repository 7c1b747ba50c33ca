import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../clock.ts';
import { ImgrecError } from '../errors.ts';
import { aliveProcess, identifyProcess } from './liveness.ts';

/** The state folder, held by this process. */
export interface FolderLock {
  /** Tells whoever comes next that it is worth waiting. */
  sayClosing(): void;
  /** Gives it back. */
  release(): void;
}

interface Holder {
  readonly pid: number;
  readonly identity: string;
  readonly isClosing?: boolean;
}

/** How long a local cloud may take to learn that its supervisor was killed, which often is just before the next start. */
const unawareMs = 1_000;
/** How long one may take to close: its instances drain first, and are killed after 30 s. */
const closingMs = 40_000;
const lookEveryMs = 50;

const readHolder = (file: string): Holder | undefined => {
  try {
    const holder = JSON.parse(readFileSync(file, 'utf8')) as Holder;
    return typeof holder.pid === 'number' && typeof holder.identity === 'string' ? holder : undefined;
  } catch {
    return undefined;
  }
};

/** The one that reads `file`, where it still runs. */
const holderOf = (file: string): Holder | undefined => {
  const holder = readHolder(file);
  return holder && aliveProcess(holder.pid, holder.identity) ? holder : undefined;
};

/** Puts the lock `mine` in its place. @returns who has it, if somebody does */
const tryLock = (file: string, mine: string): Holder | undefined => {
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      // link(2) is atomic and fails when the name exists: the lock appears whole or not at all.
      linkSync(mine, file);
      return undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = holderOf(file);
    if (holder) return holder;
    // Moved aside rather than deleted: between reading and moving, another starter may have taken the lock.
    const aside = `${mine}.stale`;
    try {
      renameSync(file, aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw error;
    }
    const moved = holderOf(aside);
    if (moved) {
      try {
        linkSync(aside, file);
      } finally {
        rmSync(aside, { force: true });
      }
      return moved;
    }
    rmSync(aside, { force: true });
  }
  throw new ImgrecError(`the lock ${file} cannot be taken`, { hint: `delete ${file}` });
};

/**
 * Takes the folder for this process; waits a moment for a holder that may be about to end, and longer for one that says so.
 * The holder is known by pid and start time, so that neither a SIGKILLed holder nor a reused pid blocks anyone.
 * Throws an ImgrecError that names the process that has it.
 */
export const lockStateFolder = async (stateFolder: string, clock: Clock): Promise<FolderLock> => {
  const file = path.join(stateFolder, 'lock');
  const mine = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  const me: Holder = { pid: process.pid, identity: identifyProcess(process.pid) ?? '' };
  const write = (holder: Holder): void => writeFileSync(mine, JSON.stringify(holder), { mode: 0o600 });
  write(me);
  const sinceMs = clock.monotonicMs();
  try {
    for (;;) {
      const holder = tryLock(file, mine);
      if (!holder) break;
      const { pid, isClosing = false } = holder;
      if (clock.monotonicMs() - sinceMs >= (isClosing ? closingMs : unawareMs))
        throw new ImgrecError(`a local cloud already runs on ${stateFolder} (process ${pid})`, {
          hint: 'stop it, or use another folder with --state',
        });
      await clock.sleep(lookEveryMs);
    }
  } finally {
    rmSync(mine, { force: true });
  }
  return {
    sayClosing: () => {
      write({ ...me, isClosing: true });
      renameSync(mine, file);
    },
    release: () => rmSync(file, { force: true }),
  };
};
