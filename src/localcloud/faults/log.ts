import { closeSync, openSync, writeSync } from 'node:fs';

/** A file of JSON lines, made when the first is written. */
export const openLog = (file: string) => {
  let fd: number | undefined;
  return {
    write: (line: object): void => {
      fd ??= openSync(file, 'a', 0o600);
      writeSync(fd, `${JSON.stringify(line)}\n`);
    },
    close: (): void => {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
};
