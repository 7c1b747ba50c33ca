import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ImgrecError } from '../errors.ts';

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
