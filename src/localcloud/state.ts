import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { ImgrecError } from '../errors.ts';
import { aliveProcess, identifyProcess } from './liveness.ts';

/** What `cloud.json` of the state folder holds: where the local cloud is and how to sign for it. */
export interface CloudFile {
  readonly endpoint: string;
  readonly port: number;
  readonly region: string;
  readonly account: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of the process that wrote it; it may have ended since. */
  readonly pid: number;
}

const writeWhole = (file: string, text: string): void => {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
};

const cloudFile = (stateFolder: string): string => path.join(stateFolder, 'cloud.json');

/** Undefined when no local cloud was ever started on this folder. Throws ImgrecError when the file cannot be understood. */
export const readCloudFile = (stateFolder: string): CloudFile | undefined => {
  const file = cloudFile(stateFolder);
  if (!existsSync(file)) return undefined;
  try {
    const cloud = JSON.parse(readFileSync(file, 'utf8')) as Partial<CloudFile>;
    if (typeof cloud.port === 'number' && cloud.accessKeyId && cloud.secretAccessKey)
      return cloud as CloudFile;
  } catch (cause) {
    throw new ImgrecError(`${file} cannot be read`, { cause, hint: 'delete the state folder to start anew' });
  }
  throw new ImgrecError(`${file} is not a cloud file`, { hint: 'delete the state folder to start anew' });
};

export const writeCloudFile = (stateFolder: string, cloud: CloudFile): void =>
  writeWhole(cloudFile(stateFolder), `${JSON.stringify(cloud, undefined, 2)}\n`);

/** Random credentials in AWS's forms. The prefix is none that AWS issues, so they cannot be taken for real ones. */
export const generateCredentials = (): Pick<CloudFile, 'accessKeyId' | 'secretAccessKey'> => ({
  accessKeyId: `LOCAL${randomBytes(10).toString('hex').toUpperCase().slice(0, 15)}`,
  secretAccessKey: randomBytes(30).toString('base64'),
});

/** Makes the folder, readable by its owner only. */
export const prepareStateFolder = (stateFolder: string): void => {
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  chmodSync(stateFolder, 0o700);
};

interface Holder {
  readonly pid: number;
  readonly identity: string;
}

const readHolder = (file: string): Holder | undefined => {
  try {
    const holder = JSON.parse(readFileSync(file, 'utf8')) as Holder;
    return typeof holder.pid === 'number' && typeof holder.identity === 'string' ? holder : undefined;
  } catch {
    return undefined;
  }
};

const isHeld = (holder: Holder): boolean => aliveProcess(holder.pid, holder.identity);

/**
 * Takes the folder for this process, or throws an ImgrecError that names the process that has it.
 * The holder is known by pid and start time, so that neither a SIGKILLed holder nor a reused pid blocks anyone.
 * @returns a function that gives it back
 */
export const lockStateFolder = (stateFolder: string): (() => void) => {
  const file = path.join(stateFolder, 'lock');
  const mine = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(mine, JSON.stringify({ pid: process.pid, identity: identifyProcess(process.pid) ?? '' }), {
    mode: 0o600,
  });
  const refuse = (holder: Holder): never => {
    throw new ImgrecError(`a local cloud already runs on ${stateFolder} (process ${holder.pid})`, {
      hint: 'stop it, or use another folder with --state',
    });
  };
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      try {
        // link(2) is atomic and fails when the name exists: the lock appears whole or not at all.
        linkSync(mine, file);
        return () => rmSync(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = readHolder(file);
      if (holder && isHeld(holder)) refuse(holder);
      // Moved aside rather than deleted: between reading and moving, another starter may have taken the lock.
      const aside = `${mine}.stale`;
      try {
        renameSync(file, aside);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
        throw error;
      }
      const moved = readHolder(aside);
      if (moved && isHeld(moved)) {
        try {
          linkSync(aside, file);
        } finally {
          rmSync(aside, { force: true });
        }
        refuse(moved);
      }
      rmSync(aside, { force: true });
    }
    throw new ImgrecError(`the lock of ${stateFolder} cannot be taken`, { hint: `delete ${file}` });
  } finally {
    rmSync(mine, { force: true });
  }
};
