import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

/** libfaketime, where Debian and Homebrew put it. */
export const fakeClock = (): string | undefined => {
  const under = (folder: string, rest: string) =>
    existsSync(folder) ? readdirSync(folder).map((name) => path.join(folder, name, rest)) : [];
  return [...under('/usr/lib', 'faketime/libfaketimeMT.so.1'), '/usr/lib/faketime/libfaketimeMT.so.1'].find(
    (file) => existsSync(file),
  );
};
