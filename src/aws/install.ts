import { z } from 'zod';
import { exitCodes, ImgrecError } from '../errors.ts';
import type { S3 } from './s3.ts';

const installFile = z.object({ v: z.literal(1), installId: z.string().min(1) });

/** Marks an installation; made once, by whoever provisions first. */
export const installKey = 'install.json';

export const encodeInstall = (installId: string): string => JSON.stringify({ v: 1, installId });

/**
 * The id in a cluster's install.json; undefined when there is none.
 * @throws ImgrecError when the file is somebody else's; CloudError when it cannot be read
 */
export const readInstallId = async (s3: S3, opsBucket: string): Promise<string | undefined> => {
  const content = await s3.get(opsBucket, installKey);
  if (content === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(content.toString());
  } catch {
    parsed = undefined;
  }
  const file = installFile.safeParse(parsed);
  if (file.success) return file.data.installId;
  throw new ImgrecError(`s3://${opsBucket}/${installKey} is not one of imgrec's`, {
    hint: 'choose another --cluster name',
    exitCode: exitCodes.failed,
  });
};
